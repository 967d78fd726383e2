"""What every image data set shares: keys, transforms, unreadable files, batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vq.datasets.decoding import UnreadableImageError
from vq.datasets.token_origin import TokenOrigin
from vq.datasets.transforms import Transform
from vq.registry import TRANSFORMS
from vq.types import Batch, Clip, Sample, SampleKey

OnError = Literal['raise', 'skip', 'replace']
ON_ERROR = ('raise', 'skip', 'replace')


class MissingDataError(FileNotFoundError):
    """A data set is not there; says what was looked for, and the way out."""


@dataclass(slots=True)
class Unreadable:
    """What a data set returns where a picture could not be read.

    Attributes:
        reasons: One line for each failed picture: its id and why.
        replacement: The item that takes the place; None where it is left out.
    """

    reasons: list[str]
    replacement: Sample | Clip | None = None


class ImageDataset(Dataset[Sample | Clip | Unreadable], ABC):
    """A numbered collection of pictures with names and, perhaps, classes.

    A subclass says how many there are and how to read one. `dataset[key]` reads,
    transforms and names it; its randomness depends on the key alone, hence not on
    workers, ranks or what was read before.

    Args:
        transforms: Configs of the transforms, in order.
        on_error: What happens to a picture that cannot be read. 'raise': the error
            ends the run. 'skip': it is left out of its batch. 'replace': the next
            readable one by index takes its place. What was left out or replaced is
            told in `Batch.unreadable`.
    """

    def __init__(
        self,
        *,
        transforms: Sequence[Mapping[str, Any]],
        on_error: OnError = 'raise',
    ) -> None:
        if on_error not in ON_ERROR:
            raise ValueError(f'on_error must be one of {ON_ERROR}, got {on_error!r}')
        self.on_error = on_error
        self.transform_configs = [dict(config) for config in transforms]
        self.transforms: list[Transform] = [TRANSFORMS.build(t) for t in transforms]

    description: str = ''
    """Which pictures these are, in a few words or as a path; for token stores."""

    split: str | None = None
    """Which part of the data set these are; None where it has no parts."""

    frames: int = 1
    """Images that an item holds: 1, or more where it is a `Clip`."""

    token_origins: Sequence[TokenOrigin] = ()
    """Where the tokens that come in the place of pictures are from."""

    @property
    def name(self) -> str:
        """Which data set this is, wherever it lies; for the stamps of metrics."""
        return type(self).__name__.removesuffix('Dataset')

    def canonical_id(self, index: int) -> str:
        """Return the name of picture `index`, whatever the layout of the files."""
        return self.id(index)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pictures."""

    @abstractmethod
    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w).

        Raises:
            UnreadableImageError: It is broken.
        """

    @abstractmethod
    def id(self, index: int) -> str:
        """Return the name of picture `index` within the data set."""

    def category(self, index: int) -> int:
        """Return the class index of picture `index`; 0 without classes."""
        return 0

    def tokens(self, index: int, rng: np.random.Generator) -> Tensor | None:
        """Return the tokens of picture `index`, (h, w) or (h, w, g), if it has any.

        Args:
            index: Position in the data set.
            rng: The sample's own, for what is drawn.
        """
        return None

    @property
    def categories(self) -> list[str]:
        """Names of the classes, by index; empty without classes."""
        return []

    def __getitem__(self, key: SampleKey | int) -> Sample | Clip | Unreadable:
        """Return the item that `key` asks for.

        Args:
            key: Index, epoch and seed; an index alone means epoch 0 and seed 0.

        Returns:
            A `Sample`, or of videos a `Clip`; an `Unreadable` where the picture is
            broken and `on_error` is 'skip' or 'replace'.

        Raises:
            UnreadableImageError: The picture is broken and `on_error` is 'raise', or
                no picture of the data set can be read.
            IndexError: There is no such index.
        """
        if not isinstance(key, SampleKey):
            key = SampleKey(int(key))
        if not 0 <= key.index < len(self):
            raise IndexError(f'index {key.index} is not in [0, {len(self)})')
        try:
            return self.sample(key)
        except UnreadableImageError as error:
            if self.on_error == 'raise':
                raise
            reason = self._reason(key.index, error)
        if self.on_error == 'skip':
            return Unreadable([reason])
        return self._replace(key, reason)

    def _reason(self, index: int, error: UnreadableImageError) -> str:
        return f'{self.id(index)}: {error.reason}'

    def sample(self, key: SampleKey) -> Sample | Clip:
        """Return an item, read and transformed; what is broken is an error."""
        image = self.read(key.index)
        rng = np.random.default_rng((key.seed, key.epoch, key.index))
        for transform in self.transforms:
            image = transform(image, rng)
        return Sample(
            original_image=image,
            category=self.category(key.index),
            id=self.id(key.index),
            index=key.index,
            tokens=self.tokens(key.index, rng),
        )

    def _replace(self, key: SampleKey, reason: str) -> Unreadable:
        reasons = [reason]
        for step in range(1, len(self)):
            index = (key.index + step) % len(self)
            try:
                return Unreadable(reasons, self.sample(key._replace(index=index)))
            except UnreadableImageError as error:
                reasons.append(self._reason(index, error))
        raise UnreadableImageError(
            self.id(key.index), f'nor can any of the {len(self)} images be read'
        )


def collate(items: Sequence[Sample | Clip | Unreadable]) -> Batch:
    """Put items together; what is unreadable is left out, or its replacement taken.

    Of b clips of t frames become b t images, the frames of a clip one behind the other.
    Where nothing is left the batch has length 0 and its pictures are (0, 3, 0, 0).

    Raises:
        ValueError: Pictures or tokens differ in size; two of them are named.
    """
    unreadable: list[str] = []
    kept: list[Sample] = []
    for item in items:
        if isinstance(item, Unreadable):
            unreadable += item.reasons
            found = item.replacement
        else:
            found = item
        if isinstance(found, Clip):
            kept += found.samples
        elif found is not None:
            kept.append(found)
    _check_sizes(kept)
    images = [sample.original_image for sample in kept]
    tokens = [sample.tokens for sample in kept if sample.tokens is not None]
    return Batch(
        original_image=torch.stack(images).contiguous()
        if images
        else torch.empty(0, 3, 0, 0, dtype=torch.uint8),
        category=torch.tensor([sample.category for sample in kept], dtype=torch.long),
        index=torch.tensor([sample.index for sample in kept], dtype=torch.long),
        ids=[sample.id for sample in kept],
        unreadable=unreadable,
        tokens=torch.stack(tokens) if tokens else None,
    )


def _check_sizes(samples: Sequence[Sample]) -> None:
    for sample in samples:
        size, first = (
            'x'.join(map(str, s.original_image.shape[1:])) for s in (sample, samples[0])
        )
        if size != first:
            raise ValueError(
                f'images of one batch differ in size: {samples[0].id} is {first}, '
                f"{sample.id} is {size}; end the data set's transforms with a crop, "
                "such as dict(type='CenterCrop', size=256)"
            )
        if _shape(sample.tokens) != _shape(samples[0].tokens):
            raise ValueError(
                f'tokens of one batch differ in shape: {samples[0].id} has '
                f'{_shape(samples[0].tokens)}, {sample.id} has {_shape(sample.tokens)}'
            )


def _shape(tokens: Tensor | None) -> tuple[int, ...] | None:
    return None if tokens is None else tuple(tokens.shape)
