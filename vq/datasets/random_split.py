"""A data set without parts, parted at random into training and validation."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vq.datasets.base import ImageDataset
from vq.datasets.splits import Split, check_split
from vq.datasets.subset import Subset
from vq.registry import DATASETS


@DATASETS.register_module()
class RandomSplitDataset(Subset):
    """One of two parts that have no picture in common and together are all.

    Seed and names alone say where a picture belongs: validation gets those whose hashes
    are the least. So the parts are the same on every rank and machine and whatever the
    order of the files, and when one file is added, one picture at most changes sides.

    Args:
        dataset: Config of the data set, without transforms.
        split: Which part.
        val_size: Pictures for validation, a number (2000) or a share (0.2).
        seed: Another one makes other parts.
        transforms: Configs of the transforms of this part, in order.

    Raises:
        ValueError: One of the parts would be empty, or `dataset` has transforms.
    """

    def __init__(
        self,
        *,
        dataset: Mapping[str, Any],
        split: Split,
        val_size: int | float = 2000,
        seed: int = 0,
        transforms: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        check_split(split)
        if dataset.get('transforms'):
            raise ValueError(
                f'the data set inside has transforms ({dataset["transforms"]}); leave '
                'them out there: they are those of RandomSplitDataset'
            )
        inner: ImageDataset = DATASETS.build({**dataset, 'transforms': transforms})
        number = _number(val_size, len(inner))
        rows = _rows(inner, number, seed)[split]
        super().__init__(
            inner,
            rows=rows,
            description=f'{inner.description} {split} '
            f'({number} of {len(inner)} for val, seed {seed})',
        )
        self.split = split


def _number(val_size: int | float, total: int) -> int:
    """Return how many of all pictures are for validation."""
    share = isinstance(val_size, float)
    number = round(val_size * total) if share else int(val_size)
    if not 0 < number < total:
        raise ValueError(
            f'val_size must leave both parts of {total} images one at least: a number '
            f'in [1, {total - 1}] or a share between 0 and 1; got {val_size}'
        )
    return number


def _rows(
    dataset: ImageDataset, val_size: int, seed: int
) -> dict[Split, NDArray[np.int64]]:
    """Return the places of both parts, ascending."""
    salt = f'{seed}:'.encode()
    digests = b''.join(
        hashlib.blake2b(
            salt + dataset.canonical_id(index).encode('utf-8', 'surrogateescape'),
            digest_size=8,
        ).digest()
        for index in range(len(dataset))
    )
    order = np.argsort(np.frombuffer(digests, '>u8'), kind='stable')
    return {'val': np.sort(order[:val_size]), 'train': np.sort(order[val_size:])}
