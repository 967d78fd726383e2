"""Regions of the grid of tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """A rectangle of tokens; its last row and column are those before the ends."""

    top: int
    left: int
    bottom: int
    right: int


def inside(boxes: Sequence[Box], grid: tuple[int, int]) -> Tensor:
    """Return which positions lie in any of the boxes, bool, (h, w).

    Raises:
        ValueError: A box is empty, or does not lie in the grid.
    """
    mask = torch.zeros(grid, dtype=torch.bool)
    for top, left, bottom, right in boxes:
        if not (0 <= top < bottom <= grid[0] and 0 <= left < right <= grid[1]):
            raise ValueError(
                f'the box {top} {left} {bottom} {right} (top, left, bottom, right) '
                f'does not lie in the {grid[0]} x {grid[1]} tokens of the picture: '
                f'0 <= top < bottom <= {grid[0]} and 0 <= left < right <= {grid[1]}'
            )
        mask[top:bottom, left:right] = True
    return mask
