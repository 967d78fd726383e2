"""Learned positions of one size of picture, for pictures of another."""

from math import isqrt

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional


def resize_positions(positions: Tensor, height: int, width: int) -> Tensor:
    """Resize the positions of a square grid, bicubic and antialiased, in float32.

    Args:
        positions: Of the class token and the patches of the grid, (1 + n, c).
        height: Rows of the grid that is wanted.
        width: Its columns.

    Returns:
        Of the class token and the patches, (1 + height * width, c); the tensor itself
        where the grid is this one.
    """
    side = isqrt(len(positions) - 1)
    if (height, width) == (side, side):
        return positions
    grid = rearrange(positions[1:].float(), '(h w) c -> 1 c h w', h=side)
    resized = functional.interpolate(
        grid, (height, width), mode='bicubic', antialias=True
    ).to(positions.dtype)
    return torch.cat([positions[:1], rearrange(resized, '1 c h w -> (h w) c')])
