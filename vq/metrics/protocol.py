"""What a number was measured on and with, so that only equals are compared."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from vq import __version__
from vq.datasets.base import ImageDataset


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The stamp of a set of images as an extractor sees it; None: not known.

    Attributes:
        dataset: Which data set.
        split: Which split of it.
        number: Number of images.
        ids: SHA-256 of the sorted names of the images.
        crop: The transforms, as 'Resize(size=256) CenterCrop(size=256)'.
        size: Height and width in pixels before the extractor resizes, '256x256', or
            'various'.
        resizer: The extractor's rule of resizing.
        extractor: Its name.
        weights: SHA-256 of its file.
        dtype: What it computes in.
        version: That of vq, or the program that wrote the statistics.
    """

    dataset: str | None = None
    split: str | None = None
    number: int | None = None
    ids: str | None = None
    crop: str | None = None
    size: str | None = None
    resizer: str | None = None
    extractor: str | None = None
    weights: str | None = None
    dtype: str | None = None
    version: str = f'vq {__version__}'

    def differences(self, reference: Self) -> dict[str, tuple[Any, Any]]:
        """Return the fields that both know and that differ, with both values.

        The number of images counts where both name their data set: 50,000 samples
        may be compared with 1.28 million photographs. The version never counts.
        """
        pairs = {
            name: (getattr(self, name), getattr(reference, name)) for name in FIELDS
        }
        if None in pairs['dataset']:
            del pairs['number']
        return {
            name: pair
            for name, pair in pairs.items()
            if None not in pair and pair[0] != pair[1]
        }

    def unknown(self) -> list[str]:
        """Return the names of the fields that are not known."""
        return [name for name in FIELDS if getattr(self, name) is None]

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, for JSON."""
        fields = dataclasses.asdict(self)
        return {key: value for key, value in fields.items() if value is not None}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the protocol that `to_dict` wrote; later versions' fields are left."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in fields.items() if key in names})


FIELDS = tuple(
    field.name for field in dataclasses.fields(Protocol) if field.name != 'version'
)


def data_protocol(dataset: ImageDataset) -> Protocol:
    """Return what is to be said of a data set before an image of it is seen."""
    ids = (dataset.canonical_id(index) for index in range(len(dataset)))
    return Protocol(
        dataset=dataset.name,
        split=dataset.split,
        number=len(dataset),
        ids=hash_ids(ids),
        crop=' '.join(map(_written, dataset.transform_configs)),
    )


def hash_ids(ids: Iterable[str]) -> str:
    """Return the SHA-256 of names in alphabetical order, in hex."""
    digest = hashlib.sha256()
    for id_ in sorted(ids):
        digest.update(id_.encode('utf-8', 'surrogateescape') + b'\n')
    return digest.hexdigest()


def _written(transform: Mapping[str, Any]) -> str:
    arguments = {key: value for key, value in transform.items() if key != 'type'}
    words = ', '.join(f'{k}={json.dumps(v)}' for k, v in sorted(arguments.items()))
    return f'{transform["type"]}({words})'
