"""What is to be sampled: one draw an image, whatever it is for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vq.generation.regions import Box, inside
from vq.models.transformers import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """One image that is to be sampled.

    Attributes:
        name: Its file below the folder of samples, without suffix: '207/000003'. All
            of one folder stand in one row of the sheet.
        index: Which random numbers it is drawn with, beside the seed.
        category: Its class.
        towards: Another class that its embedding is mixed with; None for none.
        share: Of the other class in that mix.
        known: Tokens that are kept, -1 where one is drawn, (h, w, ...); None draws all.
    """

    name: str
    index: int
    category: int
    towards: int | None = None
    share: float = 0.0
    known: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a folder of samples is to hold, however it is sampled.

    Attributes:
        draws: What is sampled.
        number: How many were asked for; of a larger number these are a part.
        settings: What the draws depend on, for the record.
        given: Pictures that are shown before the samples, uint8, (3, h, w), by name.
    """

    draws: Sequence[Draw]
    number: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all pictures: given ones, then samples."""
        return [*self.given, *(draw.name for draw in self.draws)]


def by_class(classes: Sequence[int], number: int) -> list[Draw]:
    """Return `number` draws that take the classes in turn."""
    turns = [(i, classes[i % len(classes)]) for i in range(number)]
    return [Draw(name=f'{c}/{i:06d}', index=i, category=c) for i, c in turns]


def between(first: int, second: int, *, steps: int, number: int) -> list[Draw]:
    """Return draws on the way from one class to another.

    Args:
        first: Class of the first step.
        second: Class of the last step.
        steps: Draws on a way, both ends included.
        number: Ways; the draws of one share their random numbers.

    Raises:
        ValueError: There are fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f'a way from class to class has 2 steps or more, got {steps}')
    return [
        Draw(
            name=f'{first}_to_{second}/{i:06d}/{step:02d}',
            index=i,
            category=first,
            towards=second,
            share=step / (steps - 1),
        )
        for i in range(number)
        for step in range(steps)
    ]


def around(name: str, known: Tensor, *, category: int, number: int) -> list[Draw]:
    """Return `number` draws that keep the known tokens (h, w, ...) of one image."""
    return [
        Draw(name=f'{name}/{i:06d}', index=i, category=category, known=known)
        for i in range(number)
    ]


def first_rows(grid: tuple[int, int], rows: int) -> Tensor:
    """Return which tokens are kept where the first rows are, bool, (h, w).

    Raises:
        ValueError: There is nothing to keep, or nothing left to draw.
    """
    if not 0 < rows < grid[0]:
        raise ValueError(f'--rows must be in [1, {grid[0] - 1}], got {rows}')
    kept = torch.zeros(grid, dtype=torch.bool)
    kept[:rows] = True
    return kept


def outside(grid: tuple[int, int], box: Box) -> Tensor:
    """Return which tokens are kept where a box is redrawn, bool, (h, w).

    Raises:
        ValueError: The box is empty, or does not lie in the grid.
    """
    return ~inside([box], grid)


def only(tokens: Tensor, kept: Tensor) -> Tensor:
    """Return tokens (h, w, ...) where `kept` (h, w) says so, and -1 elsewhere."""
    known = torch.full_like(tokens, UNKNOWN)
    known[kept] = tokens[kept]
    return known
