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
SHARED_BYTES = 2**23  # of scores for each of several cores: these meet less often
FEW_CORES, FEW_CHANNELS = 2, 64  # with no more of both, each operator has one core
GROUP = 64  # codes whose lowest score is looked for first
ROWS = 32  # of a tile at least: fewer make slow products


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
            codes, 8 KiB. Beside it there are copies of its rows and of the codebook.

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
    dtype = torch.promote_types(rows.dtype, codebook.dtype)
    with full_precision(rows), _cores(rows) as cores:
        codes = codebook.to(torch.promote_types(dtype, torch.float32))
        centre, offset = codes.new_zeros(codes.shape[1]), codes.new_zeros(len(codes))
        if distance == 'cosine':
            # A row's own length does not change which code is nearest to it.
            codes = functional.normalize(codes, dim=-1)
        elif distance == 'l2':
            # |x - e|^2 without |x|^2, which is the same for all codes. Around the
            # codes' centre: far from it the small differences would be rounded off.
            centre = codes.mean(0)
            codes = codes - centre
            offset = codes.square().sum(-1) / 2
        elif distance != 'inner':
            raise ValueError(f'distance must be one of {DISTANCES}, got {distance!r}')
        if rows.is_cuda and codes.dtype == torch.float32 and _triton_works():
            from vq.models.quantizers.search_triton import fused_search

            return fused_search(rows, centre, codes, offset)
        return tiled_search(
            rows, centre, codes, offset, budget_bytes=budget_bytes, cores=cores
        )


@torch.no_grad()
def tiled_search(
    rows: Tensor,
    centre: Tensor,
    codes: Tensor,
    offset: Tensor,
    *,
    budget_bytes: int,
    cores: int = 1,
) -> Tensor:
    """Return the code of the lowest score, offset - (row - centre) . code, of each row.

    On the CPU a tile of scores stays in a core's cache, where one pass finds the lowest
    of each group of codes. Only a row's best group is looked at code by code. All tiles
    are of one shape, since products of different shapes are rounded differently.

    Args:
        rows: (n, d).
        centre: (d,).
        codes: (k, d).
        offset: (k,).
        budget_bytes: See `nearest_code`.
        cores: Of the CPU, that share an operator.

    Returns:
        Tokens, int64, (n,).
    """
    (number, dim), element = codes.shape, codes.element_size()
    if codes.device.type == 'cpu':
        size = CACHE_BYTES if cores == 1 else SHARED_BYTES * cores
        budget_bytes = min(size, budget_bytes)
    # The more channels, the more rows it takes until a product is fast.
    breadth = _even(max(ROWS, dim), len(rows), ROWS)
    length = _even(budget_bytes // (element * breadth), number, GROUP)
    breadth = _even(budget_bytes // (element * length), len(rows), ROWS)
    # The offset is one more channel, where rows have a 1. Copies of the last code fill
    # the last tile: they lose each tie.
    table = codes.new_empty(-(-number // length) * length, dim + 1)
    torch.neg(codes, out=table[:number, :dim])
    table[:number, dim] = offset
    table[number:] = table[number - 1]
    part = codes.new_ones(breadth, dim + 1)
    scores = codes.new_empty(length, breadth)
    groups = rearrange(scores, '(group code) row -> group code row', code=GROUP)
    each = torch.arange(breadth, device=codes.device)
    tokens = []
    for of_rows in torch.split(rows, breadth):
        torch.sub(of_rows, centre, out=part[: len(of_rows), :dim])
        best = []
        for tile in torch.split(table, length):
            torch.mm(tile, part.T, out=scores)
            lowest, group = groups.amin(1).min(0)
            code = groups[group, :, each].min(-1).indices
            best.append((lowest, group * GROUP + code))
        tokens.append(_first(best, length)[: len(of_rows)])
    return torch.cat(tokens).clamp_(max=number - 1)


@contextmanager
def _cores(rows: Tensor) -> Iterator[int]:
    """Yield how many cores share an operator: of few cores one, for few channels.

    Cores that share an operator wait for each other at its end, and all for one that
    another process has taken. A search has hundreds of operators: on two cores, with
    short products, what can be won is less than what can be lost.
    """
    threads = torch.get_num_threads()
    few = 1 < threads <= FEW_CORES and rows.shape[1] <= FEW_CHANNELS
    if rows.device.type != 'cpu' or not few:
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


def _first(best: list[tuple[Tensor, Tensor]], length: int) -> Tensor:
    """Return the tokens, (n,), of the tile where each row's score is the lowest.

    Args:
        best: Of each tile, lowest scores and tokens within the tile, (n,).
        length: Codes of a tile.
    """
    if len(best) == 1:
        return best[0][1]
    lowest, tokens = (torch.stack(each) for each in zip(*best, strict=True))
    tile = lowest.argmin(0)
    return tile * length + tokens.gather(0, tile[None])[0]


def _even(most: int, number: int, unit: int) -> int:
    """Return a multiple of `unit`, at most `most`, that cuts `number` evenly."""
    parts = max(1, -(-number // max(unit, most // unit * unit)))
    return max(unit, -(-number // (parts * unit)) * unit)
