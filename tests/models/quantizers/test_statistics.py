"""What a batch says about each code: one-hot products, and what is not finite."""

import copy

import pytest
import torch
from torch.nn import functional

from vq.models import CVQuantizer, EMAQuantizer, NormEMAQuantizer
from vq.models.quantizers.statistics import count_hits, sum_hits


def test_counts_and_sums_equal_one_hot_products():
    tokens, rows = torch.randint(0, 6, (40,)), torch.randn(40, 3)
    one_hot = functional.one_hot(tokens, 6)
    counts = count_hits(tokens, 6)
    assert torch.equal(counts, one_hot.sum(0)) and counts.dtype == torch.int64
    sums = sum_hits(rows, tokens, 6)
    torch.testing.assert_close(sums, one_hot.float().T @ rows)


def test_what_lies_behind_the_last_code_does_not_count():
    tokens, rows = torch.tensor([0, 3, 1, 3]), torch.randn(4, 2)
    assert count_hits(tokens, 3).tolist() == [1, 1, 0]
    expected = torch.stack([rows[0], rows[2], torch.zeros(2)])
    assert torch.equal(sum_hits(rows, tokens, 3), expected)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('build', [CVQuantizer, EMAQuantizer, NormEMAQuantizer])
def test_a_latent_that_is_not_finite_teaches_nothing(build, bad):
    module = build(codebook_size=8, dim=4, init='normal')
    clean, latent = copy.deepcopy(module), torch.randn(1, 4, 6, 6)
    clean(latent[:, :, 1:])
    latent[:, 2, 0] = bad
    module(latent)
    for key, value in clean.state_dict().items():
        torch.testing.assert_close(module.state_dict()[key], value)
    # Nor does a batch of nothing else, but for the time that passes.
    before = copy.deepcopy(module)
    module(torch.full_like(latent, bad))
    for name in ('counts', 'probability'):
        if hasattr(module, name):
            expected = 0.99 * getattr(before, name)
            torch.testing.assert_close(getattr(module, name), expected)
    if build is not CVQuantizer:
        torch.testing.assert_close(module.codebook, before.codebook)
    assert module.codebook.isfinite().all()
