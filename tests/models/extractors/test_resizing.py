"""Resizers equal torch-fidelity's, torch's and Pillow's."""

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x,
)

from vq.models.extractors.resizing import RESIZERS, antialiased, half_pixel, tensorflow

SIZES = [(64, 64), (40, 77), (512, 300), (299, 299), (299, 50), (1, 1), (1, 7)]


def noise(height: int, width: int) -> Tensor:
    return torch.randint(256, (2, 3, height, width)).float()


@pytest.mark.parametrize('shape', SIZES)
def test_tensorflow_equals_torch_fidelity(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    expected = interpolate_bilinear_2d_like_tensorflow1x(
        image, size=(299, 299), align_corners=False
    )
    assert torch.equal(tensorflow(image, 299), expected)


def pillow(image: Tensor, size: int) -> Tensor:
    """Resize each channel in floating point, as clean-fid does."""
    channels = [
        np.asarray(Image.fromarray(x).resize((size, size), Image.Resampling.BICUBIC))
        for x in rearrange(image, 'b c h w -> (b c) h w').numpy()
    ]
    resized = torch.from_numpy(np.stack(channels)).clamp(0, 255)
    return rearrange(resized, '(b c) h w -> b c h w', b=len(image))


@pytest.mark.parametrize('shape', SIZES)
def test_antialiased_equals_pillow(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    expected = pillow(image, 299)
    # Of 255; Pillow has its weights in float64.
    torch.testing.assert_close(antialiased(image, 299), expected, rtol=0, atol=1e-2)


@pytest.mark.parametrize(('height', 'width'), SIZES)
def test_half_pixel_lies_between_pixel_centres(height: int, width: int) -> None:
    """Each output lies at (i + 1/2) * n / 299 - 1/2, on a plane here."""
    rows = rearrange(torch.arange(height).float(), 'h -> h 1')
    columns = torch.arange(width).float()
    plane = (2 * rows + columns).expand(1, 3, height, width)
    place = torch.arange(299, dtype=torch.float64) + 0.5
    y = (place * height / 299 - 0.5).clamp(0, height - 1)
    x = (place * width / 299 - 0.5).clamp(0, width - 1)
    expected = (2 * rearrange(y, 'h -> h 1') + x).float().expand(1, 3, 299, 299)
    resized = half_pixel(plane, 299)
    torch.testing.assert_close(resized, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize('name', RESIZERS)
def test_an_image_of_the_size_is_left_as_it_is(name: str) -> None:
    image = noise(299, 299)
    assert torch.equal(RESIZERS[name](image, 299), image)
