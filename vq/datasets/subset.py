"""Some of the pictures of another data set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vq.datasets.base import ImageDataset
from vq.types import Clip, Sample, SampleKey


class Subset(ImageDataset):
    """The pictures of a data set at some places, in their order.

    Names, classes, transforms and what happens to unreadable pictures are the data
    set's, and a picture is augmented as there. One that takes an unreadable one's
    place is of the subset, too.

    Args:
        dataset: The data set.
        rows: Places in it.
        description: Which pictures these are, for token stores.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        rows: Sequence[int] | NDArray[Any],
        description: str,
    ) -> None:
        super().__init__(transforms=(), on_error=dataset.on_error)
        self._dataset = dataset
        self._rows = rows
        self.description = description
        self.split = dataset.split
        self.frames = dataset.frames
        self.token_origins = dataset.token_origins
        # The very lists, so that changing one changes both.
        self.transforms = dataset.transforms
        self.transform_configs = dataset.transform_configs

    def _row(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is not in [0, {len(self)})')
        return int(self._rows[index])

    @property
    def name(self) -> str:
        """The data set's; the names of the pictures tell that it is a part."""
        return self._dataset.name

    def __len__(self) -> int:
        return len(self._rows)

    def sample(self, key: SampleKey) -> Sample | Clip:
        """Return the data set's item, with its place here for an index."""
        inner = self._dataset.sample(key._replace(index=self._row(key.index)))
        return inner.at(key.index)

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return self._dataset.read(self._row(index))

    def id(self, index: int) -> str:
        """Return the data set's name of picture `index`."""
        return self._dataset.id(self._row(index))

    def canonical_id(self, index: int) -> str:
        """Return the data set's canonical name of picture `index`."""
        return self._dataset.canonical_id(self._row(index))

    def category(self, index: int) -> int:
        """Return the class index of picture `index`."""
        return self._dataset.category(self._row(index))

    def tokens(self, index: int, rng: np.random.Generator) -> Tensor | None:
        """Return the tokens of picture `index`, if the data set has them."""
        return self._dataset.tokens(self._row(index), rng)

    @property
    def categories(self) -> list[str]:
        """Names of the classes, by index."""
        return self._dataset.categories
