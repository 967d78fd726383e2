"""Loss and accuracy of the next token equal scikit-learn's over all tokens."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.models.tiny_proposal import batch, network
from vq.checkpoints import state_hash
from vq.metrics import TokenMetric
from vq.types import Batch, Prediction, Quantized


def expected() -> dict[str, float]:
    """Return scikit-learn's numbers over the tokens of seven images."""
    from sklearn.metrics import log_loss, top_k_accuracy_score

    model, images = network(), batch(7)
    with torch.no_grad():
        rows = model.transformer.rows(model.tokens(images))
        condition = model.transformer.condition(images.category)
        logits = model.transformer(rows, condition)[0].double().flatten(0, 1)
    codes, labels = rows.flatten(), np.arange(32)
    loss = float(log_loss(codes, logits.softmax(1), labels=labels))
    accuracy = {
        f'top{k}': float(top_k_accuracy_score(codes, logits, k=k, labels=labels))
        for k in (1, 5)
    }
    return dict(loss=loss, perplexity=float(np.exp(loss)), **accuracy)


@pytest.mark.parametrize('sizes', [[7], [3, 1, 3]])
def test_numbers_equal_scikit_learn(sizes: list[int]) -> None:
    metric, model = TokenMetric(), network()
    bounds = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    for _ in range(2):
        metric.reset()
        for start, stop in zip(bounds, bounds[1:], strict=False):
            part = batch(7).select(range(start, stop))
            with torch.no_grad():
                metric.update(part, model.val_step(part))
    found = metric.compute()
    assert found == pytest.approx(expected(), rel=1e-6)
    assert 0 < found['top1'] < found['top5'] < 1


def show(
    metric: TokenMetric, losses: list[list[float]], ranks: list[list[int]]
) -> None:
    """Give a metric one image of tokens of two sub-tokens."""
    tokens = torch.zeros(1, 1, len(ranks), 2, dtype=torch.int64)
    quantized = Quantized(torch.zeros(1), tokens)
    index = torch.zeros(1, dtype=torch.int64)
    images = Batch(torch.empty(1, 3, 0, 0, dtype=torch.uint8), index, index, ['x'])
    prediction = Prediction(torch.tensor(losses), torch.tensor([ranks]), quantized, {})
    metric.update(images, prediction)


def test_each_sub_token_counts_and_losses_of_a_token_add_up() -> None:
    metric = TokenMetric()
    show(metric, [[1.0, 2.0, 6.0]], [[0, 1], [4, 5], [9, 0]])
    found = metric.compute()
    assert found == dict(
        loss=3.0, perplexity=pytest.approx(np.e**3), top1=2 / 6, top5=4 / 6
    )


def test_a_loss_beyond_numbers_is_told() -> None:
    metric = TokenMetric()
    show(metric, [[1e6]], [[0, 0]])
    assert metric.compute()['perplexity'] == np.inf
    show(metric, [[np.nan]], [[0, 0]])
    assert np.isnan(metric.compute()['loss'])


def test_the_record_names_the_tokenizer() -> None:
    metric, model = TokenMetric(), network()
    metric.prepare(SimpleNamespace(model=model))  # type: ignore[arg-type]
    whole = state_hash(model.tokenizer.state_dict())
    assert metric.protocol() == dict(unit='nats', ties='wrong', tokenizer=whole)


def test_nothing_seen_is_an_error() -> None:
    with pytest.raises(ValueError, match='saw no token'):
        TokenMetric().compute()
