"""Smooth random pictures made on the fly, for dry runs and tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vq.datasets.base import ImageDataset
from vq.datasets.transforms import resize
from vq.registry import DATASETS

GRID = 5  # random colours a side, smoothed up to the picture's size


@DATASETS.register_module()
class SyntheticDataset(ImageDataset):
    """Smooth random pictures; each depends on its index alone.

    Args:
        length: Number of pictures.
        transforms: Configs of the transforms, in order.
        size: Side of a picture in pixels, before the transforms.
        num_classes: Picture i is of class i modulo this number.
    """

    def __init__(
        self,
        *,
        length: int,
        transforms: Sequence[Mapping[str, Any]],
        size: int = 256,
        num_classes: int = 10,
    ) -> None:
        super().__init__(transforms=transforms)
        numbers = dict(length=length, size=size, num_classes=num_classes)
        for name, value in numbers.items():
            if value < 1:
                raise ValueError(f'{name} must be at least 1, got {value}')
        self.description = f'{length} synthetic pictures'
        self._length = length
        self._size = size
        self._num_classes = num_classes

    def __len__(self) -> int:
        return self._length

    def read(self, index: int) -> Tensor:
        """Return picture `index`: uint8, (3, size, size)."""
        rng = np.random.default_rng(index)
        colours = rng.integers(256, size=(3, GRID, GRID), dtype=np.uint8)
        return resize(torch.from_numpy(colours), height=self._size, width=self._size)

    def id(self, index: int) -> str:
        """Return the number of picture `index`, with leading zeros."""
        return f'{index:08d}'

    def category(self, index: int) -> int:
        """Return the index modulo the number of classes."""
        return index % self._num_classes

    @property
    def categories(self) -> list[str]:
        """Names of the classes: 'class 0', 'class 1', ..."""
        return [f'class {number}' for number in range(self._num_classes)]
