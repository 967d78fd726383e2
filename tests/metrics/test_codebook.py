"""Codebook metrics equal numpy's, over any batches and ranks."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.log import Records
from tests.ranks import run_ranks
from vq import distributed
from vq.metrics import CodebookMetric
from vq.registry import METRICS
from vq.types import Batch, Quantized, Reconstruction

IMAGES, CODES = 7, 32


def all_tokens() -> Tensor:
    """Return tokens with an uneven spread, some codes unused; (b, h, w)."""
    generator = torch.Generator().manual_seed(5)
    exponential = torch.rand(IMAGES, 4, 3, generator=generator).log().neg()
    return (4 * exponential).long().clamp(max=CODES - 1)


def update(metric: CodebookMetric, tokens: Tensor) -> None:
    """Feed tokens, (b, h, w), in the types that a metric takes."""
    b = len(tokens)
    image = torch.zeros(b, 3, 8, 8, device=tokens.device)
    index = torch.zeros(b, dtype=torch.int64)
    batch = Batch(image.to(torch.uint8), index, index, [''] * b)
    metric.update(batch, Reconstruction(image, Quantized(image, tokens)))


def expected() -> dict[str, float]:
    """Compute the three numbers with numpy."""
    _, counts = np.unique(all_tokens().numpy(), return_counts=True)
    p = counts / counts.sum()
    entropy = -(p * np.log(p)).sum()
    usage = len(counts) / CODES
    return {'usage': usage, 'perplexity': np.exp(entropy), 'entropy': entropy}


def measure() -> dict[str, float]:
    """Measure this rank's share, a batch an image."""
    metric = METRICS.build({'type': 'CodebookMetric', 'codebook_size': CODES})
    for tokens in all_tokens()[distributed.rank() :: distributed.world_size()]:
        update(metric, tokens[None])
    return metric.compute()


def test_values_equal_numpy() -> None:
    assert measure() == pytest.approx(expected(), abs=1e-12)


def test_an_even_codebook_has_full_perplexity() -> None:
    metric = CodebookMetric(codebook_size=CODES)
    update(metric, torch.arange(CODES, dtype=torch.int32).view(1, 4, 8))
    assert metric.compute() == pytest.approx(
        {'usage': 1, 'perplexity': CODES, 'entropy': np.log(CODES)}
    )


@pytest.mark.parametrize('world_size', [1, 2, 3, 8])
def test_ranks_get_the_numbers_of_one_process(world_size: int) -> None:
    alone = measure()
    for values in run_ranks(measure, world_size):  # of 8 ranks one sees nothing
        assert values == pytest.approx(alone, rel=1e-12, abs=0)


@pytest.mark.parametrize('stray', [-1, CODES, 10 * CODES])
def test_tokens_without_a_code_are_an_error(stray: int) -> None:
    metric = CodebookMetric(codebook_size=CODES)
    update(metric, torch.tensor([[[0, stray]]]))
    with pytest.raises(ValueError, match='1 tokens lie outside.*codebook_size=32'):
        metric.compute()


SIZES = (4, 3, 5)


def sub_tokens() -> Tensor:
    """Return tokens of three sub-tokens, (b, h, w, 3)."""
    tokens = all_tokens()
    parts = [(tokens * (i + 1) + i) % size for i, size in enumerate(SIZES)]
    return torch.stack(parts, -1)


def expected_of_groups() -> dict[str, float]:
    """Compute the joint numbers and each group's with numpy."""
    flat = sub_tokens().flatten(0, 2).numpy()
    result = {}
    rows = {'': (flat, 60)} | {f'_{i}': (flat[:, i], SIZES[i]) for i in range(3)}
    for suffix, (values, size) in rows.items():
        _, counts = np.unique(values, axis=0, return_counts=True)
        p = counts / counts.sum()
        entropy = -(p * np.log(p)).sum()
        numbers = {'usage': len(counts) / size, 'perplexity': np.exp(entropy)}
        numbers['entropy'] = entropy
        result |= {f'{name}{suffix}': value for name, value in numbers.items()}
    return result


def measure_groups() -> dict[str, float]:
    """Measure this rank's share, a batch an image."""
    metric = CodebookMetric(token_sizes=SIZES)
    for tokens in sub_tokens()[distributed.rank() :: distributed.world_size()]:
        update(metric, tokens[None])
    return metric.compute()


def test_sub_tokens_are_counted_each_and_jointly() -> None:
    assert measure_groups() == pytest.approx(expected_of_groups(), abs=1e-12)


@pytest.mark.parametrize('world_size', [2, 8])
def test_ranks_count_sub_tokens_like_one_process(world_size: int) -> None:
    alone = measure_groups()
    for values in run_ranks(measure_groups, world_size):
        assert values == pytest.approx(alone, rel=1e-12, abs=0)


def test_the_order_of_sub_tokens_matters() -> None:
    metric = CodebookMetric(token_sizes=(2, 2))
    update(metric, torch.tensor([[[[0, 1], [1, 0]]]]))
    assert metric.compute()['usage'] == 0.5


@pytest.mark.parametrize(
    ('token_sizes', 'groups'),
    [((2**12, 2**12), ['', '_0', '_1']), ((2**12, 2**13), ['_0', '_1'])],
)
def test_a_joint_code_is_counted_up_to_a_limit(
    token_sizes: tuple[int, int], groups: list[str]
) -> None:
    metric = CodebookMetric(token_sizes=token_sizes)
    update(metric, torch.zeros(1, 2, 2, 2, dtype=torch.int64))
    names = [f'{name}{group}' for group in groups for name in expected()]
    assert list(metric.compute()) == names


def runner_of(*token_sizes: int) -> Any:
    """Return as much of a runner as the metric asks for."""
    quantizer = SimpleNamespace(token_sizes=token_sizes)
    tokenizer = SimpleNamespace(quantizer=quantizer)
    return SimpleNamespace(model=SimpleNamespace(tokenizer=tokenizer))


def test_what_cannot_be_counted_is_said(log: Records) -> None:
    metric = CodebookMetric()
    metric.prepare(runner_of(2**36))
    (warning,) = log.warnings
    assert warning.startswith('usage, perplexity and entropy are left out: 68719476736')
    update(metric, torch.full((1, 2, 2), 2**35))
    assert metric.compute() == {}


def test_the_model_tells_its_vocabularies(log: Records) -> None:
    metric = CodebookMetric()
    metric.prepare(runner_of(*SIZES))
    update(metric, sub_tokens())
    assert metric.compute() == pytest.approx(expected_of_groups(), abs=1e-12)
    assert log.texts() == []


@pytest.mark.parametrize('stray', [-1, 3])
def test_sub_tokens_without_a_code_are_an_error(stray: int) -> None:
    metric = CodebookMetric(token_sizes=SIZES)
    update(metric, torch.tensor([[[[0, stray, 0]]]]))
    with pytest.raises(ValueError, match='1 tokens lie outside.*codebook_size=60'):
        metric.compute()


def test_tokens_of_another_shape_are_shown() -> None:
    metric = CodebookMetric(codebook_size=CODES)
    with pytest.raises(ValueError, match=r'\(7, 4, 3, 3\) do not fit .*\(32,\)'):
        update(metric, sub_tokens())


def test_one_of_two_sizes_is_given() -> None:
    with pytest.raises(ValueError, match=r'codebook_size=4 .*=\(2, 2\), not'):
        CodebookMetric(codebook_size=4, token_sizes=(2, 2))


def test_reset_forgets() -> None:
    metric = CodebookMetric(codebook_size=CODES)
    update(metric, all_tokens())
    metric.reset()
    with pytest.raises(ValueError, match='no token'):
        metric.compute()


def test_a_codebook_has_codes() -> None:
    with pytest.raises(ValueError, match='got 0'):
        CodebookMetric(codebook_size=0)


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    metric = CodebookMetric(codebook_size=CODES)
    update(metric, all_tokens().cuda())
    assert metric.compute() == pytest.approx(expected(), abs=1e-12)
