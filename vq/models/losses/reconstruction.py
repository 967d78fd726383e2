"""Pixel losses: how far a reconstruction is from its image."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.registry import MODELS


class PixelLoss(nn.Module, ABC):
    """The mean over pixels of an error that each pixel has.

    Args:
        weight: Factor of the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self, reconstruction: Tensor, image: Tensor, pixel_weight: Tensor | None = None
    ) -> Tensor:
        """Compare a reconstruction with its image.

        Args:
            reconstruction: (b, 3, h, w).
            image: (b, 3, h, w).
            pixel_weight: How much a pixel counts, not negative, (b, 1, h, w) or
                (b, 3, h, w); None counts all alike.

        Returns:
            A scalar: the factor times sum(weight * error) / sum(weight), both sums over
            batch, channels and pixels; 0 where no pixel counts.

        Raises:
            ValueError: The weights have another shape.
        """
        error = self._error(reconstruction, image)
        if pixel_weight is None:
            return self.weight * error.mean()
        _check(pixel_weight, error)
        pixel_weight = pixel_weight.to(error.dtype).expand_as(error)
        total = pixel_weight.sum().clamp(min=torch.finfo(error.dtype).tiny)
        return self.weight * (pixel_weight * error).sum() / total

    @abstractmethod
    def _error(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Return the errors of (b, 3, h, w) twice, (b, 3, h, w)."""


@MODELS.register_module()
class L1Loss(PixelLoss):
    """Mean absolute difference of pixels.

    Args:
        weight: Factor of the loss.
    """

    def _error(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        return (reconstruction - image).abs()


@MODELS.register_module()
class MSELoss(PixelLoss):
    """Mean squared difference of pixels.

    Args:
        weight: Factor of the loss.
    """

    def _error(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        return (reconstruction - image).square()


@MODELS.register_module()
class SmoothL1Loss(PixelLoss):
    """Quadratic for small differences, absolute for large (https://arxiv.org/abs/1504.08083).

    A difference d costs d^2 / (2 beta) below `beta`, |d| - beta / 2 above.

    Args:
        weight: Factor of the loss.
        beta: Half the width of the quadratic part; 0 makes it L1.

    Raises:
        ValueError: `beta` is negative.
    """

    def __init__(self, *, weight: float = 1.0, beta: float = 1.0) -> None:
        super().__init__(weight=weight)
        if beta < 0:
            raise ValueError(f'beta must be >= 0, got {beta}')
        self.beta = beta

    def _error(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        # torch's function wants equal types; under autocast ours differ.
        dtype = torch.promote_types(reconstruction.dtype, image.dtype)
        return functional.smooth_l1_loss(
            reconstruction.to(dtype), image.to(dtype), beta=self.beta, reduction='none'
        )


def _check(pixel_weight: Tensor, error: Tensor) -> None:
    batch, channels, height, width = error.shape
    allowed = [(batch, 1, height, width), (batch, channels, height, width)]
    if tuple(pixel_weight.shape) not in allowed:
        raise ValueError(
            f'pixel_weight must be {allowed[0]} or {allowed[1]}, '
            f'got {tuple(pixel_weight.shape)}'
        )
