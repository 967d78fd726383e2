"""Sheets: rows of pictures with a title above and a caption below; GIFs of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from vq import images

SIDE = 192  # pixels: smaller pictures are enlarged by a whole factor to about it
MOVING = 128  # the same for GIFs, which compress badly
LARGEST = 288  # larger ones are shrunk to it
COLUMNS = 8  # of a line; a row may go on in the next
GAP = 8  # pixels around pictures
TITLE, CAPTION = 16, 14  # sizes of letters
LEADING = 1.3  # of lines, in letters
INK, GREY, RED, WHITE = (20, 20, 20), (90, 90, 90), (220, 30, 30), (255, 255, 255)
FRAME, REST = 400, 1200  # milliseconds of a GIF's frame, and of its ends


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        image: uint8, (3, H, W).
        caption: What is written below it.
        outline: Positions that are outlined, bool, (h, w); None outlines nothing.
    """

    image: Tensor
    caption: str = ''
    outline: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """Pictures side by side, with a title above them."""

    title: str
    cells: Sequence[Cell]


def moving(rows: Sequence[Row], *, start: int = 0) -> list[list[Row]]:
    """Return a frame of each column of a sheet: the rows' pictures side by side.

    Args:
        rows: Of equal length.
        start: The column of the first frame.
    """
    frames = []
    for i in range(start, len(rows[0].cells)):
        cells = []
        for row in rows:
            cell = row.cells[i]
            caption = f'{row.title}: {cell.caption}' if row.title else cell.caption
            cells.append(replace(cell, caption=caption))
        frames.append([Row(title='', cells=cells)])
    return frames


def draw(rows: Sequence[Row], *, side: int = SIDE) -> Image.Image:
    """Draw a sheet; small pictures are enlarged to about `side` pixels."""
    blocks = [_row(row, side) for row in rows]
    width = max(block.width for block in blocks)
    height = sum(block.height for block in blocks) + GAP
    sheet = Image.new('RGB', (width, height), WHITE)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def save_sheet(rows: Sequence[Row], path: Path) -> None:
    """Write a sheet as a PNG, whole or not at all."""
    aside = path.with_name(f'.{path.name}.tmp')
    draw(rows).save(aside, format='PNG', optimize=True)
    aside.replace(path)


def save_gif(frames: Sequence[Sequence[Row]], path: Path) -> None:
    """Write sheets as a GIF that goes there and back, whole or not at all."""
    sheets = [draw(rows, side=MOVING) for rows in frames]
    size = (max(s.width for s in sheets), max(s.height for s in sheets))
    padded = [Image.new('RGB', size, WHITE) for _ in sheets]
    for page, sheet in zip(padded, sheets, strict=True):
        page.paste(sheet, (0, 0))
    way = [*range(len(padded)), *range(len(padded) - 2, 0, -1)]
    ends = (0, len(padded) - 1)
    first, *others = [padded[i].quantize(256) for i in way]
    aside = path.with_name(f'.{path.name}.tmp')
    first.save(
        aside,
        format='GIF',
        save_all=True,
        append_images=others,
        duration=[REST if i in ends else FRAME for i in way],
        loop=0,
    )
    aside.replace(path)


def _row(row: Row, side: int) -> Image.Image:
    """Draw a row, in as many lines as it needs."""
    lines = [row.cells[i : i + COLUMNS] for i in range(0, len(row.cells), COLUMNS)]
    drawn = [[_cell(cell, side) for cell in line] for line in lines]
    font = ImageFont.load_default(TITLE)
    title = round(TITLE * LEADING) + GAP if row.title else 0
    width = max(sum(cell.width + GAP for cell in line) + GAP for line in drawn)
    width = max(width, round(font.getlength(row.title)) + 2 * GAP)
    height = title + sum(max(c.height for c in line) + GAP for line in drawn)
    block = Image.new('RGB', (width, height), WHITE)
    if row.title:
        ImageDraw.Draw(block).text((GAP, GAP), row.title, fill=INK, font=font)
    top = title
    for line in drawn:
        left = GAP
        for cell in line:
            block.paste(cell, (left, top + GAP))
            left += cell.width + GAP
        top += max(cell.height for cell in line) + GAP
    return block


def _cell(cell: Cell, side: int) -> Image.Image:
    """Draw a picture at the size of a sheet, with its caption."""
    shown = _sized(cell.image, side)
    picture = Image.fromarray(rearrange(shown, 'c h w -> h w c').contiguous().numpy())
    if cell.outline is not None:
        _outline(picture, cell.outline.numpy())
    font = ImageFont.load_default(CAPTION)
    lines = _wrapped(cell.caption, font, picture.width)
    leading = round(CAPTION * LEADING)
    below = leading * len(lines) + 4 if lines else 0
    size = (picture.width, picture.height + below)
    block = Image.new('RGB', size, WHITE)
    block.paste(picture, (0, 0))
    pen = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        place = (0, picture.height + 2 + number * leading)
        pen.text(place, line, fill=GREY, font=font)
    return block


def _sized(image: Tensor, side: int) -> Tensor:
    """Return a picture, uint8, (3, h, w), at the size of a sheet."""
    longest = max(image.shape[1:])
    if longest <= LARGEST:
        return images.enlarge(image[None], max(1, round(side / longest)))[0]
    scaled = functional.interpolate(
        image[None].float(),
        scale_factor=LARGEST / longest,
        mode='bilinear',
        antialias=True,
    )
    return scaled[0].round().to(torch.uint8)


def _outline(
    picture: Image.Image, mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> None:
    """Draw the border of a mask (h, w) on a picture."""
    pen = ImageDraw.Draw(picture)
    height, width = picture.height / mask.shape[0], picture.width / mask.shape[1]
    ringed = np.pad(mask, 1)
    for y, x in np.argwhere(ringed[1:, 1:-1] != ringed[:-1, 1:-1]):
        at = min(round(y * height), picture.height - 1)
        pen.line((x * width, at, (x + 1) * width, at), fill=RED, width=2)
    for y, x in np.argwhere(ringed[1:-1, 1:] != ringed[1:-1, :-1]):
        at = min(round(x * width), picture.width - 1)
        pen.line((at, y * height, at, (y + 1) * height), fill=RED, width=2)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """Break a caption into lines that fit: at spaces, a longer word anywhere."""
    lines: list[str] = []
    for word in text.split():
        longer = f'{lines[-1]} {word}' if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
        while (fits := _fitting(lines[-1], font, width)) < len(lines[-1]):
            lines[-1:] = lines[-1][:fits], lines[-1][fits:]
    return lines


def _fitting(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> int:
    """Return how many letters fit, at least one."""
    longest = range(len(text), 1, -1)
    return next((n for n in longest if font.getlength(text[:n]) <= width), 1)
