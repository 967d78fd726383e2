"""Pictures of codebooks: how often each code is used, and how old codes are."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

WIDTH, HEIGHT = 400, 220  # pixels of one chart, with its margins
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 26, 40
LEAST = 0.5  # where the logarithmic axis begins: a count of 1 shows above it
TITLE = 26
MOST = 12  # codebooks on a sheet
BINS = 24
INK, GREY, BLUE, RED = (20, 20, 20), (225, 225, 225), (31, 105, 176), (190, 60, 40)

Bars = NDArray[np.float64]


@dataclass(slots=True)
class Portrait:
    """One codebook as it is drawn.

    Attributes:
        title: Its name and figures.
        counts: How often each code was chosen, int64, (k,).
        ages: Passes over the data set since each code was last chosen, (k,).
    """

    title: str
    counts: Tensor
    ages: Tensor


def draw(portraits: Sequence[Portrait]) -> Tensor:
    """Draw a row of three charts for each codebook, up to 12: uint8, (3, H, W).

    From left to right: the counts of all codes, the most used first; how many codes
    have which count; how many have which age. Counts are on a logarithmic axis.
    """
    shown = portraits[:MOST]
    row = TITLE + HEIGHT
    sheet = Image.new('RGB', (3 * WIDTH, row * len(shown)), 'white')
    pen = ImageDraw.Draw(sheet)
    for number, portrait in enumerate(shown):
        top = number * row
        _text(pen, (LEFT, top + 8), portrait.title, size=14)
        counts = portrait.counts.cpu().numpy().astype(np.float64)
        ages = portrait.ages.cpu().numpy().astype(np.float64)
        charts = (_ranked(counts), _histogram(counts), _aged(ages))
        for column, chart in enumerate(charts):
            chart.draw(pen, column * WIDTH, top + TITLE)
    return rearrange(torch.from_numpy(np.array(sheet)), 'h w c -> c h w')


@dataclass(slots=True)
class Chart:
    """Bars side by side, on a linear x axis and a logarithmic y axis.

    Attributes:
        title: What the bars are.
        bars: Their heights, whole numbers.
        ticks: Labels of the x axis, each with its place in [0, 1].
        label: Of the x axis.
        colour: Of the bars.
    """

    title: str
    bars: Bars
    ticks: Sequence[tuple[float, str]]
    label: str
    colour: tuple[int, int, int] = BLUE

    def draw(self, pen: ImageDraw.ImageDraw, x: int, y: int) -> None:
        """Draw at (x, y), the upper left corner."""
        left, right = x + LEFT, x + WIDTH - RIGHT
        top, bottom = y + TOP, y + HEIGHT - BOTTOM
        highest = max(10.0, float(self.bars.max(initial=0.0)))
        scale = (bottom - top) / math.log(highest / LEAST)

        def height(value: float) -> int:
            return bottom - round(math.log(value / LEAST) * scale)

        for decade in range(int(math.log10(highest)) + 1):
            level = height(10**decade)
            pen.line((left, level, right, level), fill=GREY)
            name = str(10**decade) if decade < 5 else f'1e{decade}'
            _text(pen, (left - 6, level), name, anchor='rm')
        self._bars(pen, left, right, bottom, height)
        pen.line((left, top, left, bottom, right, bottom), fill=INK)
        for place, name in self.ticks:
            across = left + round(place * (right - left))
            pen.line((across, bottom, across, bottom + 4), fill=INK)
            _text(pen, (across, bottom + 6), name, anchor='ma')
        _text(pen, ((left + right) // 2, bottom + 22), self.label, anchor='ma')
        _text(pen, (left, top - 9), self.title, anchor='ls')

    def _bars(
        self,
        pen: ImageDraw.ImageDraw,
        left: int,
        right: int,
        bottom: int,
        height: Callable[[float], int],
    ) -> None:
        """Draw the bars; where several share a column of pixels, the highest."""
        width, number = right - left, len(self.bars)
        for column in range(width):
            first = column * number // width
            value = self.bars[first : max(first + 1, (column + 1) * number // width)]
            if (highest := float(value.max())) >= 1:
                across = left + column
                pen.line((across, height(highest), across, bottom), self.colour)


def _ranked(counts: Bars) -> Chart:
    size, used = len(counts), int((counts > 0).sum())
    ticks = [(0.0, '1'), (1.0, str(size))]
    if 0.1 * size < used < 0.9 * size:
        ticks.insert(1, (used / size, str(used)))
    return Chart(
        'times that each code was chosen', -np.sort(-counts), ticks, 'code, by rank'
    )


def _histogram(counts: Bars) -> Chart:
    """Chart how many codes have which count, in bins of one power of two each."""
    bins = max(4, int(np.log2(max(1.0, counts.max()))) + 1)
    used = counts[counts > 0]
    heights = np.bincount(np.log2(used).astype(int), minlength=bins)
    bars = np.concatenate([[len(counts) - len(used)], heights]).astype(np.float64)
    every = -(-bins // 6)
    ticks = [(0.5 / len(bars), '0')]
    ticks += [
        ((b + 1.5) / len(bars), f'{2**b}' if b < 14 else f'2^{b}')
        for b in range(0, bins, every)
    ]
    return Chart('codes by how often they were chosen', bars, ticks, 'times chosen')


def _aged(ages: Bars) -> Chart:
    limit = float(ages.max(initial=0.0)) or 1.0
    bars, _ = np.histogram(ages, bins=BINS, range=(0.0, limit))
    ticks = [(place, f'{place * limit:.2g}') for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
    label = 'passes over the data set since then'
    return Chart('codes by when they were last chosen', bars, ticks, label, RED)


def _text(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    anchor: str = 'la',
    size: int = 12,
) -> None:
    pen.text(place, text, fill=INK, font=ImageFont.load_default(size), anchor=anchor)
