"""Codebook metrics equal numpy's, over any batches and ranks."""

import numpy as np
import pytest
import torch
from torch import Tensor

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
