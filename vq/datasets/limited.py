"""The first pictures of another data set, for quick looks and dry runs."""

from collections.abc import Mapping
from typing import Any

from vq.datasets.base import ImageDataset
from vq.datasets.subset import Subset
from vq.registry import DATASETS


@DATASETS.register_module()
class LimitedDataset(Subset):
    """The first `length` pictures of a data set, or all where it has fewer.

    Args:
        dataset: Config of the data set.
        length: Number of pictures.
    """

    def __init__(self, *, dataset: Mapping[str, Any], length: int) -> None:
        if length < 1:
            raise ValueError(f'length must be at least 1, got {length}')
        inner: ImageDataset = DATASETS.build(dataset)
        rows = range(min(length, len(inner)))
        super().__init__(
            inner,
            rows=rows,
            description=f'the first {len(rows)} of {inner.description}',
        )
