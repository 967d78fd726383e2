"""Orders in which the positions of a grid take turns, and tokens put together."""

from typing import Literal, get_args

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

Order = Literal['random', 'rows', 'centre']
ORDERS: tuple[str, ...] = get_args(Order)


def turns(grid: tuple[int, int], order: str, rng: np.random.Generator) -> Tensor:
    """Return at which turn each position comes, 0 to h w - 1, int64, (h, w).

    Args:
        grid: Rows and columns.
        order: 'random'; 'rows', from the top left; or 'centre', from the middle.
        rng: Draws the random order.

    Raises:
        ValueError: There is no such order.
    """
    height, width = grid
    if order == 'random':
        sequence = rng.permutation(height * width)
    elif order == 'rows':
        sequence = np.arange(height * width)
    elif order == 'centre':
        y, x = np.mgrid[:height, :width]
        far = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
        sequence = np.argsort(far.reshape(-1), kind='stable')
    else:
        raise ValueError(f'order must be one of {", ".join(ORDERS)}, got {order!r}')
    places = torch.empty(height * width, dtype=torch.int64)
    places[torch.from_numpy(sequence)] = torch.arange(height * width)
    return rearrange(places, '(h w) -> h w', h=height)


def first(turns_: Tensor, share: float) -> Tensor:
    """Return which positions come first, that share of all, bool, (h, w).

    Raises:
        ValueError: The share is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f'a share of positions must be in [0, 1], got {share}')
    return turns_ < round(share * turns_.numel())


def merge(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Take tokens from `new` where the mask (h, w) says so, elsewhere from `old`.

    Args:
        mask: bool, (h, w).
        new: (h, w) or (h, w, g), or one token, () or (g,).
        old: (h, w) or (h, w, g).

    Raises:
        ValueError: Two pictures differ in their grids.
    """
    if new.ndim >= 2 and new.shape != old.shape:
        raise ValueError(
            f'pictures of {tuple(old.shape[:2])} and {tuple(new.shape[:2])} tokens '
            'have no positions in common: leave --no-crop out, or cut them alike'
        )
    of_tokens = mask if old.ndim == 2 else rearrange(mask, 'h w -> h w 1')
    return torch.where(of_tokens, new, old)
