"""Sub-tokens of several quantizers: side by side on the last axis, and apart again."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch
from einops import rearrange
from torch import Tensor

from vq.models.quantizers.base import Quantizer


def join_tokens(parts: Sequence[Tensor]) -> Tensor:
    """Put tokens (b, h, w) or (b, h, w, g) of several quantizers behind one another.

    Returns:
        (b, h, w, ...) with all their sub-tokens; the one part itself if it is alone.
    """
    if len(parts) == 1:
        return parts[0]
    return torch.cat([_with_axis(part) for part in parts], dim=-1)


def split_tokens(
    tokens: Tensor, quantizers: Iterable[Quantizer], *, partly: bool = False
) -> list[Tensor]:
    """Take joined tokens (b, h, w, ...) apart, each part as its quantizer has it.

    Args:
        tokens: What `join_tokens` has returned.
        quantizers: Whose they are, in their order.
        partly: Whether those of the last quantizers may be missing.

    Raises:
        ValueError: There are not as many sub-tokens as the quantizers have.
    """
    joined = _with_axis(tokens)
    sizes = [len(quantizer.token_sizes) for quantizer in quantizers]
    ends = list(accumulate(sizes))
    possible = ends if partly else ends[-1:]
    number = joined.shape[-1]
    if number not in possible:
        expected = ' or '.join(str(end) for end in possible)
        raise ValueError(
            f'tokens of shape {tuple(tokens.shape)} have {number} sub-tokens a '
            f'position; this quantizer takes {expected}'
        )
    present = sizes[: ends.index(number) + 1]
    return [
        part[..., 0] if part.shape[-1] == 1 else part
        for part in torch.split(joined, present, dim=-1)
    ]


def mean_losses(losses: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average the losses of several quantizers, name by name."""
    return {
        name: torch.stack([part[name] for part in losses]).mean() for name in losses[0]
    }


def _with_axis(tokens: Tensor) -> Tensor:
    return rearrange(tokens, 'b h w -> b h w 1') if tokens.ndim == 3 else tokens
