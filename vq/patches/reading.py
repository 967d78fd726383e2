"""Patches of images, cut where the tokens are that stand for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vq.datasets.base import ImageDataset, Unreadable
from vq.datasets.transforms import CenterCrop, Resize, Transform, resize
from vq.images import enlarge
from vq.patches.choosing import Plan
from vq.types import Sample, SampleKey

BATCH = 16  # images that a worker hands over at once

Cut = tuple[Tensor, Tensor]  # rows of a plan, (m,), and their patches, (m, h, w, 3)


class Enlarge:
    """Transforms as they are, but with `scale` times as many pixels a side.

    Every size and every corner is that of the unscaled picture times `scale`, so that a
    token's patch shows the same part of the picture. Scaling the arguments instead
    would round anew, and be off by up to a pixel.

    Args:
        transforms: Resizes and central crops.
        scale: A whole number.
    """

    def __init__(self, transforms: Sequence[Transform], *, scale: int) -> None:
        self.transforms = list(transforms)
        self.scale = scale

    @staticmethod
    def suits(transforms: Sequence[Transform]) -> bool:
        """Tell whether there is a resize, and no random choice."""
        known = all(isinstance(t, Resize | CenterCrop) for t in transforms)
        return known and any(isinstance(t, Resize) for t in transforms)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the picture: (3, h, w) -> (3, scale h', scale w')."""
        unit = 1  # side of what is one pixel without scaling
        for transform in self.transforms:
            height, width = (side // unit for side in image.shape[-2:])
            if isinstance(transform, Resize):
                height, width = transform.target(height, width)
                unit = self.scale
                image = resize(image, height=height * unit, width=width * unit)
            elif isinstance(transform, CenterCrop):
                top, left = transform.corner(height, width)
                bottom, right = top + transform.size, left + transform.size
                image = image[:, unit * top : unit * bottom, unit * left : unit * right]
        return image


def cut(image: Tensor, places: Tensor, *, grid: tuple[int, int]) -> Tensor:
    """Cut the patches of some tokens out of a picture.

    Args:
        image: (3, H, W).
        places: Of the tokens on the grid, row by row, (m,).
        grid: Rows and columns of tokens, h and w.

    Returns:
        (m, 3, H / h, W / w).

    Raises:
        ValueError: The sides of the picture are not multiples of the grid's.
    """
    (h, w), (height, width) = grid, image.shape[1:]
    if height % h or width % w:
        raise ValueError(
            f'an image of {height}x{width} pixels cannot be cut into {h}x{w} equal '
            'patches; its size must be that of the images that were tokenized'
        )
    return rearrange(image, 'c (h y) (w x) -> (h w) c y x', h=h, w=w)[places]


class PatchDataset(Dataset[Cut]):
    """The patches of a plan, image by image, in the order of the data set.

    Args:
        dataset: Images as the tokenizer saw them, or enlarged.
        plan: Which patches.
        grid: Rows and columns of tokens of an image.
        repeats: How often every pixel is repeated in both directions.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        plan: Plan,
        grid: tuple[int, int],
        repeats: int = 1,
    ) -> None:
        self.dataset = dataset
        self.grid = grid
        self.repeats = repeats
        self._order = np.argsort(plan.images, kind='stable')
        self._places = plan.places
        self.images, starts = np.unique(plan.images[self._order], return_index=True)
        self._bounds = np.append(starts, len(plan.images))
        self.shape: tuple[int, ...] = ()
        self.shape = tuple(self[0][1].shape[1:])  # of every patch: (h, w, 3)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Cut:
        """Return the rows that show image `number` of those needed, and their patches.

        Raises:
            ValueError: It cannot be read, or does not fit the grid; it is named.
        """
        index = int(self.images[number])
        # The key with which tokenizing reads, of the training images too.
        sample = self.dataset[SampleKey(index)]
        if isinstance(sample, Unreadable):
            raise ValueError(
                f'{sample.reasons[0]}; it could be read when it was tokenized: restore '
                'it, or write the tokens again'
            )
        assert isinstance(sample, Sample)  # the tokens of clips are not stored
        rows = self._order[self._bounds[number] : self._bounds[number + 1]]
        places = torch.from_numpy(self._places[rows])
        try:
            patches = cut(sample.original_image, places, grid=self.grid)
        except ValueError as error:
            raise ValueError(f'{sample.id}: {error}') from None
        patches = rearrange(enlarge(patches, self.repeats), 'm c y x -> m y x c')
        shape = tuple(patches.shape[1:])
        if self.shape not in ((), shape):
            raise ValueError(
                f'{sample.id}: its patches are {shape}, those before {self.shape}; all '
                "images must be of one size: end the data set's transforms with a crop"
            )
        return torch.from_numpy(rows), patches

    def batches(self, *, start: int, num_workers: int) -> Iterator[tuple[int, Cut]]:
        """Yield how many images have been read, and what the last of them show.

        Args:
            start: Images that need not be read again.
            num_workers: Reading processes; 0 reads in this one.
        """
        numbers = [
            list(range(first, min(first + BATCH, len(self))))
            for first in range(start, len(self), BATCH)
        ]
        loader = DataLoader(
            cast('Dataset[Cut]', self),
            batch_sampler=numbers,
            num_workers=num_workers,
            collate_fn=_join,
            generator=torch.Generator(),
        )
        for batch, found in zip(numbers, loader, strict=True):
            yield batch[-1] + 1, found


def _join(cuts: Sequence[Cut]) -> Cut:
    rows, patches = zip(*cuts, strict=True)
    return torch.cat(rows), torch.cat(patches)
