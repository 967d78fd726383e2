"""Tokens out of nothing but frequencies: uniform ones, and those that others have.

What is drawn for image i depends on the seed and i alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

Stored = Callable[[int, np.random.Generator], Tensor]  # image i: (h, w) or (h, w, g)


def uniform(
    number: int, *, grid: tuple[int, int], token_sizes: Sequence[int], seed: int
) -> Tensor:
    """Draw each sub-token from all of its codes: int64, (number, h, w, ...)."""
    images = [
        torch.from_numpy(random_tokens(grid, token_sizes, rng))
        for rng in streams(number, seed)
    ]
    return torch.stack(images)


def random_tokens(
    grid: tuple[int, int], token_sizes: Sequence[int], rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Draw the tokens of one image: (h, w) or (h, w, g)."""
    several = len(token_sizes) > 1
    shape = (*grid, len(token_sizes)) if several else grid
    highest = np.array(token_sizes) if several else token_sizes[0]
    return rng.integers(0, highest, size=shape, dtype=np.int64)


def frequent(
    stored: Stored,
    length: int,
    number: int,
    *,
    grid: tuple[int, int],
    seed: int,
    per_position: bool,
) -> Tensor:
    """Draw each token as often as images have it: int64, (number, h, w, ...).

    A token is that of an image drawn from all, at the same place or at any place. So
    nothing needs to be counted, and sub-tokens of a position stay together.

    Args:
        stored: Returns the tokens of an image.
        length: Number of images.
        number: How many are drawn.
        grid: Rows and columns of what is drawn.
        seed: Of all random numbers.
        per_position: Whether each place has frequencies of its own.

    Raises:
        ValueError: It should, and images have other places.
    """

    def one(rng: np.random.Generator) -> Tensor:
        rows = []
        for place in range(grid[0] * grid[1]):
            tokens = stored(int(rng.integers(length)), rng)
            _check_grid(tokens, grid, per_position)
            flat = tokens.flatten(0, 1)
            rows.append(flat[place if per_position else int(rng.integers(len(flat)))])
        return rearrange(torch.stack(rows), '(h w) ... -> h w ...', h=grid[0])

    return torch.stack([one(rng) for rng in streams(number, seed)])


def _check_grid(tokens: Tensor, grid: tuple[int, int], per_position: bool) -> None:
    found = tuple(tokens.shape[:2])
    if per_position and found != grid:
        raise ValueError(
            f'frequencies of each place are known for {found[0]} x {found[1]} tokens, '
            f'and {grid[0]} x {grid[1]} are asked for: leave --per-position out, or '
            '--grid'
        )


def streams(number: int, seed: int) -> list[np.random.Generator]:
    """Return the random numbers of images 0 to number - 1."""
    return [np.random.default_rng((seed, i)) for i in range(number)]
