"""Pictures that the data tests share: real photographs, and files made of them."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

PHOTOS = ('astronaut.png', 'coffee.png', 'chelsea.png', 'rocket.jpg')


@cache
def photo(name: str = 'chelsea.png', *, size: tuple[int, int] | None = None) -> Any:
    """Return a photograph of scikit-image as a Pillow image, perhaps resized."""
    path = Path(skimage.__file__).parent / 'data' / name
    image = Image.open(path).convert('RGB')
    return image if size is None else image.resize(size)


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return the bytes of a picture file."""
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def to_tensor(image: Image.Image) -> Tensor:
    """Return a Pillow image as uint8 RGB, (3, h, w), the slow and plain way."""
    return rearrange(torch.tensor(np.array(image.convert('RGB'))), 'h w c -> c h w')


def noise(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Return random pixels, uint8, (h, w, 3)."""
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def save_folder(root: Path, names: list[str], *, side: int = 8) -> None:
    """Write a PNG of noise for each name below `root`."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(side, side, seed=number)).save(root / name, 'PNG')
