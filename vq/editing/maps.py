"""Pictures of where tokens are: maps in colours, what is masked, what is meant."""

import colorsys

import torch
from einops import rearrange, repeat
from torch import Tensor

GOLDEN = 0.6180339887498949  # of the circle: neighbouring codes differ in hue
GREY = 128
DIM = 0.25  # of the light that is left of what is not meant


def colour(code: int) -> tuple[int, int, int]:
    """Return the colour of a code, the same in all maps."""
    saturation, value = 0.3 + 0.3 * (code % 3) / 2, 0.6 + 0.35 * (code % 5) / 4
    rgb = colorsys.hsv_to_rgb(code * GOLDEN % 1, saturation, value)
    red, green, blue = (round(255 * part) for part in rgb)
    return red, green, blue


def coloured(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Show tokens (h, w) as fields of colour: uint8, (3, *size)."""
    codes, places = torch.unique(tokens, return_inverse=True)
    palette = torch.tensor([colour(code) for code in codes.tolist()])
    fields = rearrange(palette[places].to(torch.uint8), 'h w c -> c h w')
    return stretched(fields, size)


def stretched(fields: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat fields (..., h, w) to pixels (..., *size), a multiple of h and w."""
    y, x = size[0] // fields.shape[-2], size[1] // fields.shape[-1]
    return repeat(fields, '... h w -> ... (h y) (w x)', y=y, x=x)


def holes(image: Tensor, mask: Tensor) -> Tensor:
    """Show a picture, uint8, (3, H, W), without the positions of a mask (h, w)."""
    size = (image.shape[1], image.shape[2])
    return torch.where(stretched(mask, size), GREY, image).to(torch.uint8)


def spotlight(image: Tensor, mask: Tensor) -> Tensor:
    """Show a picture, uint8, (3, H, W), dark but for the positions of a mask (h, w)."""
    size = (image.shape[1], image.shape[2])
    dim = (image * DIM).to(torch.uint8)
    return torch.where(stretched(mask, size), image, dim)
