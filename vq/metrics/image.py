"""Image metrics: how far a reconstruction is from its original.

They compare what would be seen and saved: both pictures as uint8 pixels, then divided
by 255, so that 1 is the data range. Each metric is a mean over images of a value per
image, in float64; the functions work on any two pictures in [0, 1].
"""

from abc import abstractmethod
from typing import Any, Literal

import torch
from einops import reduce
from torch import Tensor

from vq import distributed
from vq.images import to_uint8
from vq.metrics.base import Metric
from vq.registry import METRICS
from vq.types import Batch, Reconstruction

MIN_MSE = 1e-10  # a perfect reconstruction has a PSNR of 100 dB, not of infinity
UNIFORM_SIZE = 7  # pixels, the window of Wang et al. as scikit-image has it
GAUSSIAN_SIGMA = 1.5  # pixels
GAUSSIAN_RADIUS = 5  # pixels; 3.5 sigma


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


def ssim(prediction: Tensor, target: Tensor, *, weights: Tensor) -> Tensor:
    """Return each image's structural similarity, the mean over channels.

    Only windows that lie inside the image count. The (co)variances are those of the
    weighted window; equal weights make them sample (co)variances, as scikit-image's
    defaults do.

    Args:
        prediction: In [0, 1], (b, c, h, w).
        target: In [0, 1], (b, c, h, w).
        weights: The separable window's weights along one side, summing to 1, (n,).

    Returns:
        (b,).

    Raises:
        ValueError: The window does not fit into the image.
    """
    if min(prediction.shape[-2:]) < len(weights):
        height, width = prediction.shape[-2:]
        raise ValueError(
            f'SSIM needs images of {len(weights)} pixels a side at least, '
            f'got {height} x {width}'
        )
    pixels = len(weights) ** 2
    uniform = bool((weights == weights[0]).all())
    correction = pixels / (pixels - 1) if uniform else 1.0
    mean_x, mean_y = _blur(prediction, weights), _blur(target, weights)
    var_x = correction * (_blur(prediction.square(), weights) - mean_x.square())
    var_y = correction * (_blur(target.square(), weights) - mean_y.square())
    cov = correction * (_blur(prediction * target, weights) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2  # the paper's K1, K2, squared, for a data range of 1
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    similarity /= (mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2)
    return reduce(similarity, 'b c h w -> b', 'mean')


def _blur(image: Tensor, weights: Tensor) -> Tensor:
    """Average over windows, along the width, then the height, without padding."""
    for dim in (-1, -2):
        length = image.shape[dim] - len(weights) + 1
        image = sum(
            weight * image.narrow(dim, start, length)
            for start, weight in enumerate(weights.tolist())
        )
    return image


class ImageMetric(Metric):
    """The mean over images of a value that each image has."""

    def __init__(self) -> None:
        super().__init__()
        self._total: Tensor | None = None
        self._count = 0

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._total = None
        self._count = 0

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        values = self._per_image(*self._pictures(batch, reconstruction))
        total = values.sum()
        self._total = total if self._total is None else self._total + total
        self._count += len(values)

    def protocol(self) -> dict[str, Any]:
        """Return what is compared."""
        return dict(pixels='uint8 / 255')

    def _pictures(
        self, batch: Batch, reconstruction: Reconstruction
    ) -> tuple[Tensor, Tensor]:
        """Return what is compared: pictures in [0, 1], float64, (b, 3, h, w) each."""
        prediction = to_uint8(reconstruction.image).double() / 255
        return prediction, batch.original_image.double() / 255

    @abstractmethod
    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare `_pictures`, (b, 3, h, w) twice -> float64, (b,)."""

    def compute(self) -> float:
        """Return the mean over all images of all ranks.

        Raises:
            ValueError: There was no image.
        """
        total = 0 if self._total is None else self._total.item()
        sums = torch.tensor([total, self._count], dtype=torch.float64)
        total, count = distributed.sum_(sums.to(self.device)).tolist()
        if count == 0:
            raise ValueError(f'{type(self).__name__} saw no image')
        return float(total / count)


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


@METRICS.register_module()
class SSIM(ImageMetric):
    """Structural similarity (https://doi.org/10.1109/TIP.2003.819861) per image.

    Published numbers differ in the window. The default is scikit-image's, which is
    also that of the reference platform; the paper's own is the gaussian one.

    Args:
        window: 'uniform', 7 x 7 with sample covariances, or 'gaussian', 11 x 11 with
            sigma 1.5.
    """

    def __init__(self, *, window: Literal['uniform', 'gaussian'] = 'uniform') -> None:
        super().__init__()
        self.window = window
        if window == 'uniform':
            self.weights = torch.ones(UNIFORM_SIZE).double() / UNIFORM_SIZE
        elif window == 'gaussian':
            offsets = torch.arange(-GAUSSIAN_RADIUS, GAUSSIAN_RADIUS + 1).double()
            weights = (-0.5 * (offsets / GAUSSIAN_SIGMA).square()).exp()
            self.weights = weights / weights.sum()
        else:
            raise ValueError(f"window must be 'uniform' or 'gaussian', got {window!r}")

    def protocol(self) -> dict[str, Any]:
        """Return what is compared, and in which window."""
        return dict(super().protocol(), window=self.window)

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ssim(prediction, target, weights=self.weights)
