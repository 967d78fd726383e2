"""What every feature extractor is: pixels in, float32 features out, never trained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vq.models.frozen import FrozenNetwork
from vq.models.layers import full_precision


@dataclass(slots=True)
class Features:
    """What an extractor sees in a batch of images.

    Attributes:
        pooled: One vector an image, float32, (b, d).
        spatial: A flattened inner feature map, (b, s); None where there is none.
        logits: Of the classes of a classifier, without bias, (b, k); None without.
    """

    pooled: Tensor
    spatial: Tensor | None = None
    logits: Tensor | None = None


class Extractor(FrozenNetwork, ABC):
    """A frozen network that images are compared through.

    It computes in float32 whatever the run's precision is, stays in evaluation mode,
    and takes its weights from one local file, whose SHA-256 goes into the stamp of
    every number. A subclass says what its network is (`self.network`), how pixels are
    prepared, and what of its output is which feature.

    Args:
        weights: See `FrozenNetwork`.
        channels_last: Keep images in the memory format that convolutions like; it
            rounds otherwise, by some 1e-7.
        compile: Compile the network; the same holds.

    Attributes:
        dim: Length d of `Features.pooled`.
        spatial_dim: Length of `Features.spatial`; 0 without.
        classes: Length of `Features.logits`; 0 without.
    """

    dim: int
    spatial_dim = 0
    classes = 0

    def __init__(
        self, *, weights: str, channels_last: bool = True, compile: bool = False
    ) -> None:
        super().__init__(weights=weights)
        self._memory_format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        self._compile = compile

    def freeze(self) -> None:
        """Set the network up for good; to be called when it is built."""
        super().freeze()
        self.network.to(memory_format=self._memory_format)
        if self._compile:
            self.network.compile()

    def stamp(self) -> dict[str, str]:
        """Return what identifies the features: fields of `vq.metrics.Protocol`."""
        return dict(extractor=type(self).__name__, weights=self.sha256, dtype='float32')

    @torch.no_grad()
    def forward(self, original_image: Tensor) -> Features:
        """Return the features of uint8 images (b, 3, h, w).

        Raises:
            TypeError: They are not uint8.
        """
        if original_image.dtype != torch.uint8:
            raise TypeError(
                f'images must be uint8 of 0 to 255, got {original_image.dtype}; '
                'vq.images.to_uint8 makes them from [-1, 1]'
            )
        with (
            full_precision(original_image),
            # TensorFloat-32 would round inputs of convolutions to 10 bits.
            torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                benchmark=False,
                deterministic=True,
                allow_tf32=False,
            ),
        ):
            pixels = self.prepare(original_image.float())
            pixels = pixels.contiguous(memory_format=self._memory_format)
            return self.features(self.network(pixels))

    @abstractmethod
    def prepare(self, pixels: Tensor) -> Tensor:
        """Resize and normalize pixels of 0 to 255: (b, 3, h, w) -> network's input."""

    @abstractmethod
    def features(self, output: Any) -> Features:
        """Tell what of the network's output is which feature."""
