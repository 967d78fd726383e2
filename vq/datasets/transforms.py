"""Picture transforms: uint8 in, uint8 out, every random choice from one generator.

Each is a callable `transform(image, rng)`, `image` a uint8 tensor (3, h, w) and `rng`
the numpy generator of this sample; TenCrop alone, the last of its row, makes several
pictures of one. Resizing is bicubic and antialiased on uint8. It is
twice as fast as Pillow (benchmarks/data_loading.py) and differs from it by less than
0.01 grey levels on average and by two at the most, since it rounds its weights to 16
bits.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from vq.registry import TRANSFORMS

ATTEMPTS = 10  # draws of RandomResizedCrop before it takes the centre


class Transform(Protocol):
    """What a data set calls on each picture."""

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the changed picture; uint8, (3, h, w) in and out."""


def resize(image: Tensor, *, height: int, width: int) -> Tensor:
    """Return `image` (3, h, w) at `height` by `width`: bicubic, antialiased, uint8."""
    resized: Tensor = functional.resize_image(
        image, [height, width], InterpolationMode.BICUBIC, antialias=True
    )
    return resized


def _check_size(size: int) -> int:
    if size < 1:
        raise ValueError(f'size must be at least 1 pixel, got {size}')
    return size


def _check_fits(image: Tensor, size: int, name: str) -> tuple[int, int]:
    height, width = image.shape[-2:]
    if min(height, width) < size:
        raise ValueError(
            f'{name}(size={size}) needs at least {size} pixels a side, got an image of '
            f"{height}x{width}; put dict(type='Resize', size={size}) before it"
        )
    return height, width


@TRANSFORMS.register_module()
class Resize:
    """Resize the shorter side to `size` pixels, up or down; the aspect ratio stays."""

    def __init__(self, *, size: int) -> None:
        self.size = _check_size(size)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the resized picture: (3, h, w) -> (3, h', w')."""
        height, width = self.target(*image.shape[-2:])
        return resize(image, height=height, width=width)

    def target(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a picture of this height and width gets."""
        # Rounded down, like torchvision's Resize.
        longer = int(self.size * max(height, width) / min(height, width))
        return (longer, self.size) if height > width else (self.size, longer)


@TRANSFORMS.register_module()
class PadToSquare:
    """Lay a picture in the middle of a square as wide as its longer side.

    Args:
        value: Grey level of the border, or red, green and blue.
    """

    def __init__(self, *, value: int | Sequence[int] = 0) -> None:
        levels = [value] if isinstance(value, int) else list(value)
        if len(levels) not in (1, 3) or not all(0 <= v <= 255 for v in levels):
            raise ValueError(f'value must be one or three of 0 to 255, got {value}')
        self.value = levels

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the square: (3, h, w) -> (3, s, s)."""
        height, width = image.shape[-2:]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        border = [left, top, side - width - left, side - height - top]
        padded: Tensor = functional.pad(image, border, fill=self.value)
        return padded


@TRANSFORMS.register_module()
class CenterCrop:
    """Cut the central square of `size` pixels."""

    def __init__(self, *, size: int) -> None:
        self.size = _check_size(size)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the centre: (3, h, w) -> (3, size, size).

        Raises:
            ValueError: The picture is smaller than the crop.
        """
        top, left = self.corner(*_check_fits(image, self.size, 'CenterCrop'))
        return image[:, top : top + self.size, left : left + self.size]

    def corner(self, height: int, width: int) -> tuple[int, int]:
        """Return the top and left of the centre of a picture."""
        # Python's round, halves to even, is torchvision's.
        return round((height - self.size) / 2), round((width - self.size) / 2)


@TRANSFORMS.register_module()
class TenCrop:
    """Cut the corners and the centre, then those of the mirrored picture.

    The order is torchvision's: top left, top right, bottom left, bottom right, centre.
    For tokenizing several crops of each image; nothing may follow it.
    """

    number = 10

    def __init__(self, *, size: int) -> None:
        self.size = _check_size(size)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the crops: (3, h, w) -> (10, 3, size, size).

        Raises:
            ValueError: The picture is smaller than a crop.
        """
        _check_fits(image, self.size, 'TenCrop')
        return torch.stack(functional.ten_crop(image, [self.size, self.size]))


@TRANSFORMS.register_module()
class RandomCrop:
    """Cut a square of `size` pixels, every place equally likely."""

    def __init__(self, *, size: int) -> None:
        self.size = _check_size(size)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a crop: (3, h, w) -> (3, size, size).

        Raises:
            ValueError: The picture is smaller than the crop.
        """
        height, width = _check_fits(image, self.size, 'RandomCrop')
        top = int(rng.integers(height - self.size + 1))
        left = int(rng.integers(width - self.size + 1))
        return image[:, top : top + self.size, left : left + self.size]


@TRANSFORMS.register_module()
class RandomResizedCrop:
    """Cut a rectangle of random area and aspect ratio, and resize it to a square.

    torchvision's algorithm (https://arxiv.org/abs/1409.4842, section 6).

    Args:
        size: Side of the result in pixels.
        scale: Least and greatest share of the picture's area.
        ratio: Least and greatest width / height.
    """

    def __init__(
        self,
        *,
        size: int,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
    ) -> None:
        self.size = _check_size(size)
        for name, (low, high) in (('scale', scale), ('ratio', ratio)):
            if not 0 < low <= high:
                raise ValueError(f'{name} must be 0 < low <= high, got {low}, {high}')
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the resized crop: (3, h, w) -> (3, size, size)."""
        height, width = image.shape[-2:]
        top, left, h, w = self.rectangle(height, width, rng)
        crop = image[:, top : top + h, left : left + w]
        return resize(crop, height=self.size, width=self.size)

    def rectangle(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[int, int, int, int]:
        """Draw a rectangle of a picture: its top, left, height and width."""
        low, high = (math.log(ratio) for ratio in self.ratio)
        for _ in range(ATTEMPTS):
            area = height * width * rng.uniform(self.scale[0], self.scale[1])
            aspect = math.exp(rng.uniform(low, high))
            w = round(math.sqrt(area * aspect))
            h = round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = int(rng.integers(height - h + 1))
                left = int(rng.integers(width - w + 1))
                return top, left, h, w
        h, w = height, width
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w


@TRANSFORMS.register_module()
class RandomHorizontalFlip:
    """Mirror left and right with a probability."""

    def __init__(self, *, probability: float = 0.5) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f'probability must be in [0, 1], got {probability}')
        self.probability = probability

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the picture (3, h, w), mirrored or not."""
        return image.flip(-1) if rng.random() < self.probability else image
