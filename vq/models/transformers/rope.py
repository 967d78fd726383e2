"""Rotary positions (https://arxiv.org/abs/2104.09864), along a row or over a grid.

A head's channels i and i + d / 2 are a pair, as in transformers' Llama; the angle of a
pair grows with the position.
"""

import torch
from torch import Tensor


def angles(positions: Tensor, pairs: int, *, base: float) -> Tensor:
    """Return the angle of each pair at each position, (n,) to (n, pairs), float32."""
    exponents = torch.arange(pairs, dtype=torch.float32) / pairs
    return positions.float()[:, None] / base**exponents


def row_table(length: int, head_dim: int, *, base: float) -> Tensor:
    """Return the cosines and sines of all positions, (2, length, d / 2).

    Raises:
        ValueError: A head's channels are no pairs.
    """
    if head_dim % 2:
        raise ValueError(f'rotary positions need heads of 2 n channels, got {head_dim}')
    turned = angles(torch.arange(length), head_dim // 2, base=base)
    return torch.stack([turned.cos(), turned.sin()])


def grid_table(grid: tuple[int, int], head_dim: int, *, base: float) -> Tensor:
    """Return LlamaGen's table (https://arxiv.org/abs/2406.06525), (2, h w, d / 2).

    The first half of the pairs turns with a token's row, the second with its column.
    Position 0, the condition, has zeros for cosine and sine, so that its queries and
    keys vanish: that is what published weights were trained with.

    Raises:
        ValueError: 4 does not divide a head's channels.
    """
    if head_dim % 4:
        raise ValueError(f'2-D positions need heads of 4 n channels, got {head_dim}')
    height, width = grid
    pairs = head_dim // 4
    rows = angles(torch.arange(height), pairs, base=base)
    columns = angles(torch.arange(width), pairs, base=base)
    turned = torch.cat(
        [rows.repeat_interleave(width, 0), columns.repeat(height, 1)], dim=1
    )
    table = torch.stack([turned.cos(), turned.sin()])
    condition = torch.zeros_like(table[:, :1])
    return torch.cat([condition, table[:, :-1]], dim=1)  # nothing follows the last


def rotate(heads: Tensor, table: Tensor) -> Tensor:
    """Turn queries or keys (b, m, n, d) by a table (2, n, d / 2), in its precision."""
    cosine, sine = table
    first, second = heads.chunk(2, dim=-1)
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    return torch.cat(turned, dim=-1).to(heads.dtype)
