"""Nearest code: against brute force, in chunks, under autocast."""

import numpy as np
import pytest
import torch

from vq.models.quantizers.search import nearest_code


def brute_force(rows, codebook, distance):
    """Compare every pair in float64 numpy."""
    rows, codebook = rows.double().numpy(), codebook.double().numpy()
    if distance == 'cosine':
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        codebook = codebook / np.linalg.norm(codebook, axis=1, keepdims=True)
    return np.linalg.norm(rows[:, None] - codebook[None], axis=-1).argmin(1)


@pytest.mark.parametrize('distance', ['l2', 'cosine'])
def test_equals_brute_force(distance):
    rows, codebook = torch.randn(300, 6), torch.randn(50, 6)
    tokens = nearest_code(rows, codebook, distance=distance)
    assert tokens.dtype == torch.int64
    assert np.array_equal(tokens.numpy(), brute_force(rows, codebook, distance))


@pytest.mark.parametrize('distance', ['l2', 'cosine'])
@pytest.mark.parametrize('rows_at_once', [1, 7, 300, 1000])
def test_chunks_change_nothing(distance, rows_at_once):
    rows, codebook = torch.randn(300, 6), torch.randn(50, 6)
    budget = rows_at_once * 50 * 4
    chunked = nearest_code(rows, codebook, distance=distance, budget_bytes=budget)
    assert torch.equal(chunked, nearest_code(rows, codebook, distance=distance))
    tiny = nearest_code(rows, codebook, distance=distance, budget_bytes=1)
    assert torch.equal(tiny, chunked)


def test_codes_closer_than_bfloat16_resolves():
    codebook = torch.linspace(1, 1.01, 50)[:, None].expand(-1, 4).contiguous()
    rows = codebook + 1e-6
    with torch.autocast('cpu', torch.bfloat16):
        tokens = nearest_code(rows, codebook)
    assert torch.equal(tokens, torch.arange(50))


def test_half_precision_rows_and_no_gradient():
    rows, codebook = torch.randn(20, 4), torch.randn(8, 4, requires_grad=True)
    tokens = nearest_code(rows.bfloat16(), codebook)
    expected = nearest_code(rows.bfloat16().float(), codebook)
    assert torch.equal(tokens, expected) and not tokens.requires_grad


def test_unknown_distance():
    with pytest.raises(ValueError, match="'manhattan'"):
        nearest_code(torch.ones(1, 2), torch.ones(1, 2), distance='manhattan')
