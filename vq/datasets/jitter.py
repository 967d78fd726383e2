"""Random changes of colour."""

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from vq.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ColorJitter:
    """Change brightness, contrast and saturation, in random order.

    Each is multiplied by a factor of [1 - x, 1 + x], not below 0, where x is its
    argument; the arithmetic is torchvision's.

    Args:
        brightness: How far the factor may be from 1.
        contrast: Likewise.
        saturation: Likewise.
    """

    def __init__(
        self, *, brightness: float = 0, contrast: float = 0, saturation: float = 0
    ) -> None:
        self.changes = [
            (functional.adjust_brightness, brightness),
            (functional.adjust_contrast, contrast),
            (functional.adjust_saturation, saturation),
        ]
        for change, most in self.changes:
            if most < 0:
                name = change.__name__.removeprefix('adjust_')
                raise ValueError(f'{name} must be at least 0, got {most}')

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the picture (3, h, w) in other colours."""
        for place in rng.permutation(len(self.changes)):
            change, most = self.changes[place]
            factor = rng.uniform(max(0, 1 - most), 1 + most)
            if most:
                image = change(image, factor)
        return image
