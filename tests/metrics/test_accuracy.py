"""Accuracy equals scikit-learn's, over any batches and ranks; ties are wrong."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.ranks import run_ranks
from vq import distributed
from vq.metrics import AccuracyMetric, CrossEntropyMetric
from vq.metrics.base import Metric
from vq.types import Batch, Classification, Quantized

IMAGES, CLASSES = 23, 9


def answers() -> tuple[Tensor, Tensor]:
    """Return logits (b, k) that know a little, and categories (b,)."""
    generator = torch.Generator().manual_seed(5)
    category = torch.randint(CLASSES, (IMAGES,), generator=generator)
    logits = torch.randn(IMAGES, CLASSES, generator=generator)
    logits[torch.arange(IMAGES), category] += 1
    return logits, category


def show(metric: Metric, logits: Tensor, category: Tensor) -> None:
    """Give a metric a batch."""
    number = len(logits)
    pixels = torch.zeros(number, 3, 1, 1, dtype=torch.uint8)
    batch = Batch(pixels, category, torch.arange(number), ['x'] * number)
    tokens = torch.zeros(number, 1, 1, dtype=torch.int64)
    quantized = Quantized(torch.zeros(number, 1, 1, 1), tokens)
    metric.update(batch, Classification(logits, quantized))


def measure(metric: Metric, batch_size: int) -> float | dict[str, float]:
    """Measure this rank's share, every world-size-th image."""
    step, first = distributed.world_size(), distributed.rank()
    share = (tensor[first::step].split(batch_size) for tensor in answers())
    for part in zip(*share, strict=True):
        show(metric, *part)
    return metric.compute()


def expected() -> tuple[dict[str, float], float]:
    """Return scikit-learn's numbers."""
    from sklearn.metrics import log_loss, top_k_accuracy_score  # ranks need it not

    logits, category = answers()
    labels = np.arange(CLASSES)
    accuracy = {
        f'top{k}': float(top_k_accuracy_score(category, logits, k=k, labels=labels))
        for k in (1, 3, 5)
    }
    probability = logits.double().softmax(1)
    return accuracy, float(log_loss(category, probability, labels=labels))


@pytest.mark.parametrize('batch_size', [1, 7, IMAGES])
def test_numbers_equal_scikit_learn(batch_size: int) -> None:
    accuracy, loss = expected()
    assert measure(AccuracyMetric(top_k=(1, 3, 5)), batch_size) == accuracy
    found = measure(CrossEntropyMetric(), batch_size)
    assert found == pytest.approx(loss, rel=1e-12)
    assert 0.2 < accuracy['top1'] < accuracy['top3'] < accuracy['top5'] < 1


def on_rank() -> list[float | dict[str, float]]:
    """Measure this rank's share; then what rank 0 alone has seen."""
    alone = AccuracyMetric()
    if distributed.is_main():
        show(alone, *answers())
    return [measure(AccuracyMetric(top_k=(1, 3, 5)), 4), alone.compute()]


def test_ranks_get_the_numbers_of_one_process() -> None:
    accuracy, _ = expected()
    rest = {key: accuracy[key] for key in ('top1', 'top5')}
    assert run_ranks(on_rank, 2) == [[accuracy, rest]] * 2


def test_equal_logits_are_wrong_and_few_classes_right() -> None:
    ties = AccuracyMetric(top_k=(1, 2, 3, 4))
    show(ties, torch.zeros(1, 3), torch.tensor([0]))
    show(ties, torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([1]))
    assert ties.compute() == dict(top1=0, top2=0.5, top3=1, top4=1)
    nothing = AccuracyMetric()
    show(nothing, torch.full((2, 9), torch.nan), torch.tensor([0, 8]))
    assert nothing.compute() == dict(top1=0, top5=0)


def test_reset_forgets() -> None:
    for metric in (AccuracyMetric(), CrossEntropyMetric()):
        before = measure(metric, 5)
        metric.reset()
        with pytest.raises(ValueError, match='Metric saw no image'):
            metric.compute()
        assert measure(metric, 5) == before


@pytest.mark.parametrize('top_k', [(), (0,), (1, -1), (2, 2)])
def test_senseless_numbers_are_refused(top_k: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r'top_k must be different numbers >= 1, got'):
        AccuracyMetric(top_k=top_k)
