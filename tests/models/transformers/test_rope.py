"""Rotary positions are complex factors, and only differences of them count."""

import numpy as np
import pytest
import torch

from vq.models.transformers.rope import grid_table, rotate, row_table


def test_pairs_turn_as_complex_numbers():
    heads = torch.randn(2, 3, 6, 8)
    found = rotate(heads, row_table(6, 8, base=100.0)).numpy()
    values = heads[..., :4].numpy() + 1j * heads[..., 4:].numpy()
    angles = np.arange(6)[:, None] * 100.0 ** (-np.arange(4) / 4)
    turned = values * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_differences_alone_count():
    query, key = torch.randn(2, 1, 1, 1, 8)
    table = row_table(30, 8, base=100.0)
    product = [
        (rotate(query, table[:, i : i + 1]) * rotate(key, table[:, j : j + 1])).sum()
        for i, j in ((3, 1), (20, 18), (29, 27))
    ]
    torch.testing.assert_close(torch.stack(product), product[0].expand(3))


def test_a_grids_table_holds_rows_and_columns():
    table = grid_table((3, 4), 8, base=100.0)
    row, column = (row_table(n, 4, base=100.0) for n in (3, 4))
    assert table.shape == (2, 12, 4) and not table[:, 0].any()
    for place in range(11):  # what stands at position 1 is of token 0
        own = torch.cat([row[:, place // 4], column[:, place % 4]], dim=-1)
        torch.testing.assert_close(table[:, place + 1], own)


def test_turning_keeps_the_precision():
    heads = torch.randn(1, 1, 4, 8)
    table = row_table(4, 8, base=100.0)
    half = rotate(heads.bfloat16(), table)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), rotate(heads, table), atol=0.05, rtol=0.02)


def test_heads_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match='heads of 2 n channels, got 3'):
        row_table(4, 3, base=100.0)
