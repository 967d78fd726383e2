"""Image metrics: how far a reconstruction is from its original.

They compare what would be seen and saved: both pictures as uint8 pixels, then divided
by 255, so that 1 is the data range. Each metric is a mean over images of a value per
image, in float64; the functions work on any two pictures in [0, 1].
"""

from abc import abstractmethod
from typing import Any

from einops import reduce
from torch import Tensor

from vq.images import to_uint8
from vq.metrics.mean import MeanMetric
from vq.registry import METRICS
from vq.types import Batch, Reconstruction

MIN_MSE = 1e-10  # a perfect reconstruction has a PSNR of 100 dB, not of infinity


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Return each image's mean absolute error; (b, c, h, w) twice -> (b,)."""
    return reduce((prediction - target).abs(), 'b c h w -> b', 'mean')


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return each image's mean squared error; (b, c, h, w) twice -> (b,)."""
    return reduce((prediction - target).square(), 'b c h w -> b', 'mean')


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """Return each image's peak signal-to-noise ratio in dB, at most 100.

    Args:
        prediction: In [0, 1], (b, c, h, w).
        target: In [0, 1], (b, c, h, w).

    Returns:
        (b,).
    """
    return -10 * mse(prediction, target).clamp(min=MIN_MSE).log10()


class ImageMetric(MeanMetric):
    """The mean over images of a value that each image has."""

    def _values(self, batch: Batch, output: Reconstruction) -> Tensor:
        return self._per_image(*self._pictures(batch, output))

    def protocol(self) -> dict[str, Any]:
        """Return what is compared."""
        return dict(pixels='uint8 / 255')

    def _pictures(
        self, batch: Batch, reconstruction: Reconstruction
    ) -> tuple[Tensor, Tensor]:
        """Return what is compared: pictures in [0, 1], float64, (b, 3, h, w) each.

        Raises:
            ValueError: The batch has tokens in the place of pictures.
        """
        if not batch.original_image.numel():
            raise ValueError(
                f'{type(self).__name__} compares with the original pictures, and '
                f'{batch.ids[0]} has tokens alone: leave it out, or validate on images'
            )
        prediction = to_uint8(reconstruction.image).double() / 255
        return prediction, batch.original_image.double() / 255

    @abstractmethod
    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare `_pictures`, (b, 3, h, w) twice -> float64, (b,)."""


@METRICS.register_module()
class L1(ImageMetric):
    """Mean absolute error per image, pixels in [0, 1]."""

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return l1(prediction, target)


@METRICS.register_module()
class MSE(ImageMetric):
    """Mean squared error per image, pixels in [0, 1]."""

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return mse(prediction, target)


@METRICS.register_module()
class PSNR(ImageMetric):
    """Peak signal-to-noise ratio per image in dB, at most 100; then their mean."""

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return psnr(prediction, target)
