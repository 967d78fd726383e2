"""The first pictures of another data set, for quick looks and dry runs."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.datasets.base import ImageDataset, Unreadable
from vq.registry import DATASETS
from vq.types import Sample, SampleKey


@DATASETS.register_module()
class LimitedDataset(ImageDataset):
    """The first `length` pictures of a data set, or all where it has fewer.

    Args:
        dataset: Config of the data set.
        length: Number of pictures.
    """

    def __init__(self, *, dataset: Mapping[str, Any], length: int) -> None:
        super().__init__(transforms=())
        if length < 1:
            raise ValueError(f'length must be at least 1, got {length}')
        self._dataset: ImageDataset = DATASETS.build(dataset)
        self._length = min(length, len(self._dataset))
        self.description = f'the first {self._length} of {self._dataset.description}'
        self.split = self._dataset.split
        self.token_origins = self._dataset.token_origins
        self.transforms = self._dataset.transforms
        self.transform_configs = self._dataset.transform_configs

    @property
    def name(self) -> str:
        """The inner data set's; the names of the pictures tell that it is a part."""
        return self._dataset.name

    def canonical_id(self, index: int) -> str:
        """Return the inner data set's name of picture `index`."""
        return self._dataset.canonical_id(index)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: SampleKey | int) -> Sample | Unreadable:
        """Return the inner data set's sample; see `ImageDataset`."""
        index = key.index if isinstance(key, SampleKey) else key
        if not 0 <= index < self._length:
            raise IndexError(f'index {index} is not in [0, {self._length})')
        return self._dataset[key]

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return self._dataset.read(index)

    def id(self, index: int) -> str:
        """Return the name of picture `index`."""
        return self._dataset.id(index)

    def category(self, index: int) -> int:
        """Return the class index of picture `index`."""
        return self._dataset.category(index)

    @property
    def categories(self) -> list[str]:
        """Names of the classes, by index."""
        return self._dataset.categories
