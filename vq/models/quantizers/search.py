"""Nearest-code search, exact and within a memory budget."""

import functools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vq.models.layers import full_precision

Distance = Literal['l2', 'cosine', 'inner']
DISTANCES = ('l2', 'cosine', 'inner')
BUDGET_BYTES = 256 * 2**20  # of the distance matrix
CACHE_BYTES = 2**20  # of scores that a core reads back from its own cache
SHARED_BYTES = 2**26  # of scores where cores share operators, and should do so rarely
FEW_CORES = 2  # with no more, each operator has one
GROUP = 64  # codes whose lowest score is looked for first
ROWS = 32  # of a tile at least: fewer make slow products
TABLE_CODES = 4096  # prepared at a time


@torch.compiler.disable  # type: ignore[untyped-decorator]
@torch.no_grad()
def nearest_code(
    rows: Tensor,
    codebook: Tensor,
    *,
    distance: Distance = 'l2',
    budget_bytes: int = BUDGET_BYTES,
) -> Tensor:
    """Return each latent's nearest code, in float32 even under autocast.

    The lowest token wins a tie. A latent that is not finite gets some token.

    Args:
        rows: Latents, (n, d).
        codebook: (k, d).
        distance: 'l2', 'cosine' for the smallest angle, 'inner' for the largest inner
            product.
        budget_bytes: How large a matrix of scores may be; a larger one is searched
            tile by tile, with the same result. A tile has at least 32 rows and 64
            codes, 8 KiB. Beside it there is a copy of its rows and one of the codebook.

    Returns:
        Tokens, int64, (n,).

    Raises:
        ValueError: The shapes do not fit, there is no code, or the distance is unknown.
    """
    if codebook.ndim != 2 or not len(codebook) or rows.shape[1:] != codebook.shape[1:]:
        raise ValueError(
            'rows (n, d) and a codebook (k, d) with k >= 1 are needed, got '
            f'{tuple(rows.shape)} and {tuple(codebook.shape)}'
        )
    if distance not in DISTANCES:
        raise ValueError(f'distance must be one of {DISTANCES}, got {distance!r}')
    dtype = torch.promote_types(rows.dtype, codebook.dtype)
    dtype = torch.promote_types(dtype, torch.float32)
    with full_precision(rows), _cores(rows.device) as cores:
        centre, table = _table(codebook, distance, dtype)
        if rows.is_cuda and dtype == torch.float32 and _triton_works():
            from vq.models.quantizers.search_triton import fused_search

            return fused_search(rows, centre, table)
        if rows.device.type == 'cpu':
            size = CACHE_BYTES if cores == 1 else SHARED_BYTES
            budget_bytes = min(size, budget_bytes)
        return tiled_search(rows, centre, table, budget_bytes=budget_bytes)


def _table(
    codebook: Tensor, distance: Distance, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return a centre (d,) and a table (k, d + 1), whose product is the scores.

    The nearest code has the lowest [row - centre, 1] . [-code, offset].
    """
    dim = codebook.shape[1]
    centre = codebook.new_zeros(dim, dtype=dtype)
    if distance == 'l2':
        # |x - e|^2 without |x|^2, which is the same for all codes. Around the codes'
        # centre: far from it the small differences would be rounded off.
        centre = codebook.mean(0, dtype=dtype)
    table = codebook.new_zeros(len(codebook), dim + 1, dtype=dtype)
    for codes, part in zip(
        torch.split(codebook, TABLE_CODES), torch.split(table, TABLE_CODES), strict=True
    ):
        codes = codes - centre
        if distance == 'cosine':
            # A row's own length does not change which code is nearest to it.
            codes = functional.normalize(codes, dim=-1)
        part[:, :dim] = -codes
        if distance == 'l2':
            part[:, dim] = codes.square().sum(-1) / 2
    return centre, table


@torch.no_grad()
def tiled_search(
    rows: Tensor, centre: Tensor, table: Tensor, *, budget_bytes: int
) -> Tensor:
    """Return where in the table each row's product with it is the lowest.

    Where a tile of scores fits into a core's cache, one fast pass finds the lowest of
    each group of codes, and only a row's best group is looked at code by code. All
    tiles are of one shape, since products of different shapes are rounded differently;
    the last one begins earlier, and some of its codes are seen twice.

    Args:
        rows: (n, d).
        centre: To be subtracted from rows, (d,).
        table: What multiplies [row, 1], (k, d + 1).
        budget_bytes: See `nearest_code`.

    Returns:
        Tokens, int64, (n,).
    """
    number, width = table.shape
    if number < GROUP:  # copies of the last code lose each tie
        table = torch.cat([table, table[-1:].expand(GROUP - number, -1)])
    size = budget_bytes // table.element_size()
    # The more channels, the more rows it takes until a product is fast.
    breadth = _even(max(ROWS, width - 1), len(rows), ROWS)
    length = _even(size // breadth, len(table), GROUP)
    length = min(length, len(table) // GROUP * GROUP)
    breadth = _even(size // length, len(rows), ROWS)
    starts = [min(i, len(table) - length) for i in range(0, len(table), length)]
    part = table.new_ones(breadth, width)
    scores = table.new_empty(length, breadth)
    groups = rearrange(scores, '(group code) row -> group code row', code=GROUP)
    each = torch.arange(breadth, device=table.device)
    tokens = []
    for of_rows in torch.split(rows, breadth):
        torch.sub(of_rows, centre, out=part[: len(of_rows), :-1])
        best = []
        for start in starts:
            torch.mm(table[start : start + length], part.T, out=scores)
            lowest, group = groups.amin(1).min(0)
            code = groups[group, :, each].min(-1).indices
            best.append((lowest, start + group * GROUP + code))
        tokens.append(_first(best)[: len(of_rows)])
    return torch.cat(tokens).clamp_(max=number - 1)


def _first(best: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the tokens, (n,), of the tile where each row's score is the lowest.

    Args:
        best: Of each tile, the rows' lowest scores and their tokens, (n,).
    """
    if len(best) == 1:
        return best[0][1]
    lowest, tokens = (torch.stack(each) for each in zip(*best, strict=True))
    return tokens.gather(0, lowest.argmin(0, keepdim=True))[0]


def _even(most: int, number: int, unit: int) -> int:
    """Return a multiple of `unit`, at most `most`, that cuts `number` evenly."""
    parts = max(1, -(-number // max(unit, most // unit * unit)))
    return max(unit, -(-number // (parts * unit)) * unit)


@contextmanager
def _cores(device: torch.device) -> Iterator[int]:
    """Yield how many cores share an operator: one, where the CPU has few.

    Cores that share an operator wait for each other at its end, and all for one that
    another process has taken. A search has hundreds of operators: on two cores what can
    be won is less than what can be lost.
    """
    threads = torch.get_num_threads()
    if device.type != 'cpu' or not 1 < threads <= FEW_CORES:
        yield threads
        return
    torch.set_num_threads(1)
    try:
        yield 1
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _triton_works() -> bool:
    """Whether Triton is here, and the C compiler that it needs at run time."""
    compiler = os.environ.get('CC') or shutil.which('gcc') or shutil.which('clang')
    return find_spec('triton') is not None and compiler is not None
