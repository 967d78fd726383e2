"""The sheet: a row a class, or a row an image and what became of it."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from torch.nn import functional

from vq import images
from vq.generation import pictures

ROWS = 16
COLUMNS = 8
SIDE = 256  # pixels: larger pictures are shrunk to it
SMALL = 64  # pixels: smaller ones are enlarged by a whole factor up to it


def rows_of(names: Iterable[str]) -> list[list[str]]:
    """Return what stands in each row: what lies in one folder, as far as there is room.

    Where no folder has more than one picture they follow each other.

    Args:
        names: Of pictures, in order: 'FOLDER/NAME'.
    """
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    rows = [*folders.values()]
    if all(len(row) == 1 for row in rows):
        flat = [row[0] for row in rows]
        rows = [flat[i : i + COLUMNS] for i in range(0, len(flat), COLUMNS)]
    return [row[:COLUMNS] for row in rows[:ROWS]]


def write_sheet(path: Path, folder: Path, names: Iterable[str]) -> None:
    """Write pictures of a folder, by name, as one; the file is whole or absent."""
    rows = rows_of(names)
    columns = max(map(len, rows))
    shown = []
    for row in rows:
        cells = [_cell(pictures.read(pictures.path_of(folder, name))) for name in row]
        blank = torch.full_like(cells[0], 255)
        shown += cells + [blank] * (columns - len(cells))
    pictures.write(images.grid(torch.stack(shown), columns=columns), path)


def _cell(image: Tensor) -> Tensor:
    """Return a picture (3, h, w) at the size of the sheet."""
    side = max(image.shape[1:])
    if side <= SIDE:
        return images.enlarge(image[None], max(1, SMALL // side))[0]
    scaled = functional.interpolate(
        image[None].float(), scale_factor=SIDE / side, mode='bilinear', antialias=True
    )
    return scaled[0].round().to(torch.uint8)
