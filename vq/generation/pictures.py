"""PNGs, whole or absent, written beside the sampling."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from vq import images

THREADS = 4  # zlib lets other threads run


def path_of(folder: Path, name: str) -> Path:
    """Return the file of a picture by its name."""
    return folder / f'{name}.png'


def write(image: Tensor, path: Path) -> None:
    """Write a uint8 picture (3, h, w); the file is whole or absent."""
    aside = path.with_name(f'.{path.name}.tmp.png')
    images.save_png(image, aside)
    aside.replace(path)


def read(path: Path) -> Tensor:
    """Return a picture that `write` wrote, uint8, (3, h, w)."""
    with Image.open(path) as picture:
        pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        width, height = picture.size
    return rearrange(pixels, '(h w c) -> c h w', h=height, w=width)


def is_good(path: Path) -> bool:
    """Tell whether a picture is there, and undamaged."""
    try:
        with Image.open(path) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError):  # Pillow's words for what is torn
        return False
    return True


class PictureWriter:
    """Writes one batch of pictures while the next one is sampled.

    As a context manager: at its end all is written.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS)
        self._pending: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        if error is None:
            self._wait()

    def add(self, pictures: dict[Path, Tensor]) -> None:
        """Write pictures, uint8, (3, h, w), by path; wait for those before.

        Raises:
            OSError: Those before could not be written.
        """
        self._wait()
        self._pending = [
            self._pool.submit(write, image, path) for path, image in pictures.items()
        ]

    def _wait(self) -> None:
        for future in self._pending:
            future.result()
        self._pending = []
