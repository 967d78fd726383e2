"""Resize rules of the published evaluators; each moves FID by more than methods do.

All take pixels of 0 to 255 in float32, (b, 3, h, w), and none rounds.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

Resizer = Callable[[Tensor, int], Tensor]


def half_pixel(image: Tensor, size: int) -> Tensor:
    """Resize as pytorch-fid: bilinear between pixel centres, not antialiased."""
    if image.shape[-2:] == (size, size):
        return image
    return functional.interpolate(
        image, size=(size, size), mode='bilinear', align_corners=False
    )


def tensorflow(image: Tensor, size: int) -> Tensor:
    """Resize as TensorFlow 1's graph, hence torch-fidelity and ADM's evaluator.

    Bilinear between the pixels' upper left corners: output i lies at i * h / size.
    """
    image = _lerp(image, size)
    turned = _lerp(rearrange(image, 'b c h w -> b c w h'), size)
    return rearrange(turned, 'b c w h -> b c h w').contiguous()


def _lerp(image: Tensor, size: int) -> Tensor:
    """Resize the width: (b, c, h, w) -> (b, c, h, size)."""
    width = image.shape[-1]
    # In float32, as TensorFlow computes it.
    scale = torch.tensor(width / size, dtype=torch.float32, device=image.device)
    place = torch.arange(size, dtype=torch.float32, device=image.device) * scale
    left = place.long()
    right = (left + 1).clamp(max=width - 1)
    start = image[..., left]
    return start + (image[..., right] - start) * (place - left)


def antialiased(image: Tensor, size: int) -> Tensor:
    """Resize as clean-fid: bicubic and antialiased, Pillow's on floating point.

    Bicubic overshoots at edges; clean-fid cuts that off, and so does this.
    """
    if image.shape[-2:] == (size, size):
        return image
    resized = functional.interpolate(
        image, size=(size, size), mode='bicubic', align_corners=False, antialias=True
    )
    return resized.clamp(0, 255)


RESIZERS: dict[str, Resizer] = {
    'half_pixel': half_pixel,
    'tensorflow': tensorflow,
    'antialiased': antialiased,
}
