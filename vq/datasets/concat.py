"""Several data sets one behind the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from vq.datasets.base import ImageDataset, OnError
from vq.registry import DATASETS


class JoinedDataset(ImageDataset):
    """Data sets one behind the other; ids start with the name of theirs: `ffhq:1.png`.

    The classes of one follow those of the one before, and are named `cats:persian`. A
    part without classes among others with some is one class, named like the part.

    Args:
        parts: The data sets by name; their own transforms must be empty.
        transforms: Configs of the transforms of all, in order.
        on_error: See `ImageDataset`; what the parts say is not asked.

    Raises:
        ValueError: There is no part, or a part has transforms or holds clips.
    """

    def __init__(
        self,
        *,
        parts: Mapping[str, ImageDataset],
        transforms: Sequence[Mapping[str, Any]],
        on_error: OnError,
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        if not parts:
            raise ValueError('at least one data set must be named, got none')
        for name, part in parts.items():
            if part.transforms:
                raise ValueError(
                    f'{name} has transforms of its own; leave them out there: those '
                    'of the data sets together apply to each'
                )
            if part.frames > 1:
                raise ValueError(
                    f'{name} holds clips of {part.frames} frames, and images alone are '
                    'joined: set its frames=1'
                )
        self.description = ' + '.join(p.description or n for n, p in parts.items())
        splits = dict.fromkeys(part.split for part in parts.values() if part.split)
        self.split = ' + '.join(splits) or None
        self.token_origins = [o for part in parts.values() for o in part.token_origins]
        self._names = list(parts)
        self._parts = list(parts.values())
        self._ends = np.cumsum([len(part) for part in self._parts])
        classes = [part.categories for part in self._parts]
        self._any_classes = any(classes)
        self._first_class = np.cumsum([0, *(len(c) or 1 for c in classes)])

    def _place(self, index: int) -> tuple[int, int]:
        """Return the number of the part that holds `index`, and the index there."""
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is not in [0, {len(self)})')
        number = int(np.searchsorted(self._ends, index, side='right'))
        start = int(self._ends[number - 1]) if number else 0
        return number, index - start

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        number, row = self._place(index)
        return self._parts[number].read(row)

    def tokens(self, index: int, rng: np.random.Generator) -> Tensor | None:
        """Return the tokens of picture `index`, if its data set has them."""
        number, row = self._place(index)
        return self._parts[number].tokens(row, rng)

    def id(self, index: int) -> str:
        """Return the name of the data set, a colon, and the id there."""
        number, row = self._place(index)
        return f'{self._names[number]}:{self._parts[number].id(row)}'

    def canonical_id(self, index: int) -> str:
        """Return the name of the data set, a colon, and the canonical id there."""
        number, row = self._place(index)
        return f'{self._names[number]}:{self._parts[number].canonical_id(row)}'

    def category(self, index: int) -> int:
        """Return the class index of picture `index` among the classes of all."""
        number, row = self._place(index)
        if not self._any_classes:
            return 0
        return int(self._first_class[number]) + self._parts[number].category(row)

    @property
    def categories(self) -> list[str]:
        """Names of all classes, by index; empty where no data set has any."""
        if not self._any_classes:
            return []
        return [
            f'{name}:{category}' if category else name
            for name, part in zip(self._names, self._parts, strict=True)
            for category in part.categories or ['']
        ]


@DATASETS.register_module()
class ConcatDataset(JoinedDataset):
    """Any data sets one behind the other; see `JoinedDataset`.

    Args:
        datasets: Configs of the data sets by name, without transforms.
        transforms: Configs of the transforms of all, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: One of them is missing.
        ValueError: None is named, or one has transforms.
    """

    def __init__(
        self,
        *,
        datasets: Mapping[str, Mapping[str, Any]],
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        super().__init__(
            parts={name: DATASETS.build(config) for name, config in datasets.items()},
            transforms=transforms,
            on_error=on_error,
        )

    @property
    def name(self) -> str:
        """The names of the data sets: 'CelebAHQ + FFHQ'."""
        return ' + '.join(part.name for part in self._parts)
