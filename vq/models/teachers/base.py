"""What every teacher is: pixels in, float32 maps of features out, never trained."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vq.models.frozen import FrozenNetwork

Precision = Literal['auto', 'bf16', 'float32']
PRECISIONS = ('auto', 'bf16', 'float32')


class Teacher(FrozenNetwork, ABC):
    """A frozen network of image understanding, for its dense features.

    It takes its weights from one local file, stays in evaluation mode, records no
    gradient, and adds nothing to checkpoints. A subclass says what its network is
    (`self.network`) and what of its output are the features of patches (`dense`):
    those of class and register tokens are left out. It sets `out_dim`, `downscale`,
    and the mean and deviation that its network was trained with, then calls `freeze`.

    Args:
        weights: See `FrozenNetwork`.
        size: Pixels a side that pictures are resized to first, bicubic and
            antialiased; None takes them as they are.
        grid: Rows and columns of the features, to which the network's own are
            resized, bicubic; None leaves them.
        precision: Of the network: 'bf16', 'float32', or 'auto' for bf16 on GPUs that
            have it and float32 elsewhere. What comes out is float32.

    Attributes:
        out_dim: Channels c of the features.
        downscale: Pixels a side of a patch.

    Raises:
        ValueError: The precision is unknown, or the size no multiple of a patch.
    """

    out_dim: int
    downscale: int
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        weights: str,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights)
        if precision not in PRECISIONS:
            raise ValueError(f'precision must be one of {PRECISIONS}, got {precision}')
        self.size = size
        self.grid = grid
        self.precision: Precision = precision

    @property
    def resizes(self) -> bool:
        """Whether a feature may stand for more or fewer pixels than a patch has."""
        return self.size is not None or self.grid is not None

    def set_pixels(self, mean: Iterable[float], std: Iterable[float]) -> None:
        """Say how the network wants its pixels: mean and deviation, on 0 to 1."""
        for name, values in (('mean', mean), ('std', std)):
            scaled = rearrange(255 * torch.tensor(tuple(values)), 'c -> 1 c 1 1')
            self.register_buffer(name, scaled, persistent=False)

    @torch.no_grad()
    def forward(self, original_image: Tensor) -> Tensor:
        """Return the features of uint8 images (b, 3, H, W), float32, (b, c, h, w).

        Raises:
            TypeError: They are not uint8.
            ValueError: Their sides are no multiples of a patch.
        """
        if original_image.dtype != torch.uint8:
            raise TypeError(
                f'images must be uint8 of 0 to 255, got {original_image.dtype}; '
                'vq.images.to_uint8 makes them from [-1, 1]'
            )
        device = original_image.device
        with torch.autocast(device.type, enabled=False):
            pixels = self.prepare(original_image.float())
        with torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=self.in_bf16(device)
        ):
            features = self.dense(pixels)
        with torch.autocast(device.type, enabled=False):
            return self.fit(features.float())

    def prepare(self, pixels: Tensor) -> Tensor:
        """Resize and normalize: (b, 3, H, W) in 0 to 255 -> the network's input."""
        if self.size is not None and pixels.shape[-2:] != (self.size, self.size):
            pixels = functional.interpolate(
                pixels, (self.size, self.size), mode='bicubic', antialias=True
            ).clamp(0, 255)
        height, width = pixels.shape[-2:]
        if height % self.downscale or width % self.downscale:
            raise ValueError(
                f'{type(self).__name__} takes sides that its patch of {self.downscale} '
                f'divides, got {height}x{width}; give it another `size`'
            )
        return (pixels - self.mean) / self.std

    @abstractmethod
    def dense(self, pixels: Tensor) -> Tensor:
        """Map the network's input (b, 3, H, W) to features of patches (b, c, h, w)."""

    def in_bf16(self, device: torch.device) -> bool:
        """Tell whether the network computes in bf16 on this device."""
        if self.precision == 'auto':
            return device.type == 'cuda' and torch.cuda.is_bf16_supported()
        return self.precision == 'bf16'

    def fit(self, features: Tensor) -> Tensor:
        """Resize features (b, c, h, w) to the grid, if there is one."""
        if self.grid is None or features.shape[-2:] == (self.grid, self.grid):
            return features
        return functional.interpolate(features, (self.grid, self.grid), mode='bicubic')


def library(name: str, *, teacher: type[Teacher]) -> Any:
    """Return a module of a package that only teachers need.

    Raises:
        ImportError: It is not installed; the command is named.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{teacher.__name__} needs {name.split(".")[0]}: '
            "pip install -e '.[teachers]'"
        ) from error
