"""SSIM and MS-SSIM equal scikit-image, and its formula taken to five scales."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor

from tests.metrics.test_image import expected, make_batch, measure
from vq.images import to_uint8
from vq.metrics import MSSSIM, SSIM
from vq.metrics.similarity import gaussian_window, ms_ssim, ssim

GAUSSIAN = {'gaussian_weights': True, 'use_sample_covariance': False, 'sigma': 1.5}
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def test_gaussian_ssim_equals_scikit_image() -> None:
    value = measure(SSIM(window='gaussian'))
    assert value == pytest.approx(expected('SSIM', **GAUSSIAN), abs=1e-12)
    assert abs(value - measure(SSIM())) > 1e-4
    assert SSIM(window='gaussian').protocol()['window'] == 'gaussian'


def pictures(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return two images in [0, 1] and copies with noise: (2, 3, height, width)."""
    generator = torch.Generator().manual_seed(height + width)
    noise = torch.rand(2, 3, height, width, generator=generator).double()
    smooth = noise.cumsum(-1) / torch.arange(1, width + 1)
    x = (smooth + 0.3 * noise) / 1.3
    extra = torch.randn(x.shape, generator=generator).double()
    # The second copy is worse than the first.
    return x, (x + torch.tensor([0.05, 0.4]).view(2, 1, 1, 1) * extra).clamp(0, 1)


def halve(x: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels; the last row or column of an odd image is its own."""
    height, width = x.shape
    x = np.pad(x, ((0, height % 2), (0, width % 2)), mode='edge')
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def contrast_structure(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean of the term of variances in windows within (h, w)."""

    def blur(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5]

    covariance = blur(x * y) - blur(x) * blur(y)
    variances = blur(x * x) - blur(x) ** 2 + blur(y * y) - blur(y) ** 2
    return float(((2 * covariance + 0.03**2) / (variances + 0.03**2)).mean())


def five_scales(x: np.ndarray, y: np.ndarray) -> float:
    """Return the MS-SSIM of one channel (h, w)."""
    product = 1.0
    for exponent in EXPONENTS[:-1]:
        product *= max(contrast_structure(x, y), 0) ** exponent
        x, y = halve(x), halve(y)
    last = structural_similarity(x, y, data_range=1, **GAUSSIAN)
    return product * max(float(last), 0) ** EXPONENTS[-1]


@pytest.mark.parametrize('height, width', [(161, 161), (192, 176), (165, 179)])
def test_ms_ssim_equals_the_formula(height: int, width: int) -> None:
    x, y = pictures(height, width)
    found = ms_ssim(y, x).tolist()
    channels = [
        [five_scales(*pair) for pair in zip(x[i].numpy(), y[i].numpy(), strict=True)]
        for i in range(2)
    ]
    assert found == pytest.approx(np.mean(channels, axis=1), abs=1e-12)
    assert 0 < found[1] < found[0] < 1


def test_the_metric_is_of_pictures_as_they_are_saved() -> None:
    x, y = pictures(161, 170)
    original = (x * 255).round().to(torch.uint8)
    metric = MSSSIM()
    metric.update(*make_batch(original, y * 2 - 1))
    pixels = to_uint8(y * 2 - 1).double() / 255
    value = ms_ssim(pixels, original.double() / 255).mean().item()
    assert metric.compute() == pytest.approx(value, rel=1e-12)
    record = dict(pixels='uint8 / 255', window='gaussian', scales=5)
    assert metric.protocol() == record


def test_opposite_pictures_count_as_zero_and_equal_ones_as_one() -> None:
    x, _ = pictures(161, 161)
    assert ms_ssim(1 - x, x).tolist() == [0, 0]
    assert ms_ssim(x, x).tolist() == pytest.approx([1, 1])


def test_errors_name_the_value() -> None:
    with pytest.raises(ValueError, match='disk'):
        SSIM(window='disk')  # type: ignore[arg-type]
    tiny = torch.zeros(1, 3, 6, 9)
    with pytest.raises(ValueError, match='7 pixels a side at least, got 6 x 9'):
        SSIM().update(*make_batch(tiny.to(torch.uint8), tiny))
    with pytest.raises(ValueError, match='SSIM needs images of 11 pixels'):
        ssim(tiny, tiny, weights=gaussian_window())
    small = torch.zeros(1, 3, 160, 300)
    told = 'MS-SSIM needs images of 161 pixels a side at least, got 160 x 300'
    with pytest.raises(ValueError, match=told):
        ms_ssim(small, small)


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    x, y = pictures(176, 161)
    there = ms_ssim(y.cuda(), x.cuda()).tolist()
    assert there == pytest.approx(ms_ssim(y, x).tolist(), rel=1e-12)
