"""Nearest-code search in one kernel: no score leaves the GPU's registers."""

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = 64  # of a program
CODES = 64  # looked at together
CHANNELS = 32  # multiplied together
PROGRAMS = 512  # so many keep a large GPU busy


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    rows, centre, table, lowest, tokens, n, k, d, share,
    ROWS: tl.constexpr, CODES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Find the best of `share` codes for each of ROWS rows."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    first = tl.program_id(1) * share
    best = tl.full((ROWS,), float('inf'), tl.float32)
    token = tl.zeros((ROWS,), tl.int32) + first
    for start in range(first, min(first + share, k), CODES):
        code = start + tl.arange(0, CODES)
        product = tl.zeros((ROWS, CODES), tl.float32)
        for begin in range(0, d, CHANNELS):
            channel = begin + tl.arange(0, CHANNELS)
            inside = channel < d
            x = tl.load(
                rows + row[:, None] * d + channel[None],
                mask=(row < n)[:, None] & inside[None],
                other=0.0,
            ).to(tl.float32)
            x -= tl.load(centre + channel, mask=inside, other=0.0)[None]
            e = tl.load(
                table + code.to(tl.int64)[None] * (d + 1) + channel[:, None],
                mask=(code < k)[None] & inside[:, None],
                other=0.0,
            )
            product = tl.dot(x, e, product, input_precision='ieee')
        offset = table + code.to(tl.int64) * (d + 1) + d
        offset = tl.load(offset, mask=code < k, other=float('inf'))
        score = product + offset[None]
        # What is no number is never the lowest, beyond the last code neither.
        score = tl.where(score == score, score, float('inf'))
        found, at = tl.min(score, 1, return_indices=True)
        better = found < best
        best = tl.where(better, found, best)
        token = tl.where(better, start + at, token)
    place = tl.program_id(1).to(tl.int64) * n + row
    tl.store(lowest + place, best, mask=row < n)
    tl.store(tokens + place, token, mask=row < n)


def fused_search(rows: Tensor, centre: Tensor, table: Tensor) -> Tensor:
    """Return what `tiled_search` returns, at once.

    Each program walks through the codes with the lowest score so far in hand. Few rows
    are too few programs for a large GPU: then each walks through a share of the codes.

    Args:
        rows: (n, d), of any floating-point type.
        centre: (d,), float32.
        table: (k, d + 1), float32.

    Returns:
        Tokens, int64, (n,).
    """
    (number, width), blocks = table.shape, triton.cdiv(len(rows), ROWS)
    if not blocks:
        return torch.empty(0, dtype=torch.int64, device=rows.device)
    parts = max(1, min(PROGRAMS // blocks, triton.cdiv(number, CODES)))
    share = triton.cdiv(number, parts * CODES) * CODES
    parts = triton.cdiv(number, share)
    lowest = table.new_empty(parts, len(rows))
    tokens = torch.empty_like(lowest, dtype=torch.int32)
    _kernel[blocks, parts](
        rows.contiguous(),
        centre,
        table,
        lowest,
        tokens,
        len(rows),
        number,
        width - 1,
        share,
        ROWS=ROWS,
        CODES=CODES,
        CHANNELS=CHANNELS,
    )
    return tokens.gather(0, lowest.argmin(0, keepdim=True))[0].long()
