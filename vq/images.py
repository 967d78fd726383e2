"""Pixels: uint8 pictures <-> [-1, 1] tensors, grids, PNG files."""

from pathlib import Path

import torch
from einops import rearrange, repeat
from PIL import Image
from torch import Tensor
from torch.nn import functional


def normalize(original_image: Tensor) -> Tensor:
    """Map uint8 pixels to [-1, 1]; any shape, float32."""
    return original_image.float() / 127.5 - 1


def to_uint8(image: Tensor) -> Tensor:
    """Map [-1, 1] to uint8 pixels, clamped and rounded; exact inverse of `normalize`.

    Truncating instead would darken 63 of the 256 grey levels by one.
    """
    pixels = (image.float() + 1) * 127.5
    return pixels.clamp(0, 255).round().to(torch.uint8)


def fold_clips(clips: Tensor) -> Tensor:
    """Lay out clips as other libraries read them, (b, t, h, w, c), as images.

    Returns:
        The frames of a clip one behind the other, (b t, c, h, w).
    """
    return rearrange(clips, 'b t h w c -> (b t) c h w')


def unfold_clips(images: Tensor, *, frames: int) -> Tensor:
    """Undo `fold_clips`, of clips of `frames`: (b t, c, h, w) -> (b, t, h, w, c)."""
    return rearrange(images, '(b t) c h w -> b t h w c', t=frames)


def grid(images: Tensor, *, columns: int, padding: int = 2, fill: int = 255) -> Tensor:
    """Lay uint8 images (n, 3, h, w) out in rows of `columns`, as one (3, H, W)."""
    rows = -(-len(images) // columns)
    blank = images.new_full((rows * columns - len(images), *images.shape[1:]), fill)
    filled = torch.cat([images, blank])
    padded = functional.pad(filled, [0, padding, 0, padding], value=fill)
    sheet = rearrange(padded, '(r n) c h w -> c (r h) (n w)', n=columns)
    return functional.pad(sheet, [padding, 0, padding, 0], value=fill)


def enlarge(images: Tensor, factor: int) -> Tensor:
    """Repeat each pixel `factor` times in both directions: (b, 3, h, w), uint8."""
    return repeat(images, 'b c h w -> b c (h y) (w x)', y=factor, x=factor)


def side_by_side(*pictures: Tensor) -> Tensor:
    """Join pictures, each uint8 (b, 3, h, w), to rows of n: (b, 3, h, n w)."""
    return rearrange(list(pictures), 'n b c h w -> b c h (n w)')


def save_png(image: Tensor, path: Path) -> None:
    """Write one uint8 image (3, h, w); missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rearrange(image, 'c h w -> h w c').cpu().numpy()).save(path)
