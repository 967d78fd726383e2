"""Structural similarity, on one scale and on five.

SSIM is https://doi.org/10.1109/TIP.2003.819861 (Wang et al., 2004), MS-SSIM is
https://doi.org/10.1109/ACSSC.2003.1292216 (Wang et al., 2003).
"""

from typing import Any, Literal

import torch
from einops import reduce
from torch import Tensor
from torch.nn import functional

from vq.metrics.image import ImageMetric
from vq.registry import METRICS

UNIFORM_SIZE = 7  # pixels, the window of Wang et al. as scikit-image has it
GAUSSIAN_SIGMA = 1.5  # pixels
GAUSSIAN_RADIUS = 5  # pixels; 3.5 sigma
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents, from fine to coarse


def uniform_window() -> Tensor:
    """Return the weights of 7 pixels in a row, equal ones: float64, (7,)."""
    return torch.ones(UNIFORM_SIZE).double() / UNIFORM_SIZE


def gaussian_window() -> Tensor:
    """Return the weights of 11 pixels in a row, with sigma 1.5: float64, (11,)."""
    offsets = torch.arange(-GAUSSIAN_RADIUS, GAUSSIAN_RADIUS + 1).double()
    weights = (-0.5 * (offsets / GAUSSIAN_SIGMA).square()).exp()
    return weights / weights.sum()


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
    _check_size(prediction, len(weights), 'SSIM')
    luminance, structure = _similarities(prediction, target, weights)
    return reduce(luminance * structure, 'b c h w -> b', 'mean')


def ms_ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Return each image's structural similarity on five scales, the mean over channels.

    From scale to scale 2 x 2 pixels are averaged; at an odd edge, those that there are.
    A channel's value is the product over scales of its mean contrast and structure,
    on the last scale of its mean similarity, each to the power of `SCALES`. Below zero,
    where a power does not exist, they count as zero.

    Args:
        prediction: In [0, 1], (b, c, h, w).
        target: In [0, 1], (b, c, h, w).

    Returns:
        (b,).

    Raises:
        ValueError: The window does not fit into the image of the last scale.
    """
    weights = gaussian_window()
    least = (len(weights) - 1) * 2 ** (len(SCALES) - 1) + 1
    _check_size(prediction, least, 'MS-SSIM')
    product = prediction.new_ones(prediction.shape[:2])
    for scale, exponent in enumerate(SCALES):
        if scale > 0:
            prediction, target = (
                functional.avg_pool2d(image, 2, ceil_mode=True)
                for image in (prediction, target)
            )
        luminance, structure = _similarities(prediction, target, weights)
        if scale == len(SCALES) - 1:
            structure = luminance * structure
        mean = reduce(structure, 'b c h w -> b c', 'mean')
        product = product * mean.clamp(min=0) ** exponent
    return reduce(product, 'b c -> b', 'mean')


def _check_size(image: Tensor, least: int, name: str) -> None:
    height, width = image.shape[-2:]
    if min(height, width) < least:
        raise ValueError(
            f'{name} needs images of {least} pixels a side at least, '
            f'got {height} x {width}'
        )


def _similarities(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the luminance's similarity, and that of contrast and structure.

    Both are (b, c, h - n + 1, w - n + 1) for a window of n weights.
    """
    pixels = len(weights) ** 2
    uniform = bool((weights == weights[0]).all())
    correction = pixels / (pixels - 1) if uniform else 1.0
    mean_x, mean_y = _blur(x, weights), _blur(y, weights)
    var_x = correction * (_blur(x.square(), weights) - mean_x.square())
    var_y = correction * (_blur(y.square(), weights) - mean_y.square())
    cov = correction * (_blur(x * y, weights) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2  # the paper's K1, K2, squared, for a data range of 1
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return luminance, structure


def _blur(image: Tensor, weights: Tensor) -> Tensor:
    """Average over windows, along the width, then the height, without padding."""
    for dim in (-1, -2):
        length = image.shape[dim] - len(weights) + 1
        image = sum(
            weight * image.narrow(dim, start, length)
            for start, weight in enumerate(weights.tolist())
        )
    return image


@METRICS.register_module()
class SSIM(ImageMetric):
    """Structural similarity per image.

    Published numbers differ in the window. The default is scikit-image's, which is
    also that of the reference platform; the paper's own is the gaussian one.

    Args:
        window: 'uniform', 7 x 7 with sample covariances, or 'gaussian', 11 x 11 with
            sigma 1.5.

    Raises:
        ValueError: It is neither.
    """

    def __init__(self, *, window: Literal['uniform', 'gaussian'] = 'uniform') -> None:
        super().__init__()
        windows = dict(uniform=uniform_window, gaussian=gaussian_window)
        if window not in windows:
            raise ValueError(f"window must be 'uniform' or 'gaussian', got {window!r}")
        self.window = window
        self.weights = windows[window]()

    def protocol(self) -> dict[str, Any]:
        """Return what is compared, and in which window."""
        return dict(super().protocol(), window=self.window)

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ssim(prediction, target, weights=self.weights)


@METRICS.register_module()
class MSSSIM(ImageMetric):
    """Structural similarity on five scales per image, of 161 pixels a side at least."""

    def protocol(self) -> dict[str, Any]:
        """Return what is compared, in which window, on how many scales."""
        return dict(super().protocol(), window='gaussian', scales=len(SCALES))

    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ms_ssim(prediction, target)
