"""Where in an image the next token is hard to tell: the loss of each position."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from vq import distributed
from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch, Output, Prediction, Quantized

if TYPE_CHECKING:
    from vq.runners.base import Runner

STEM = 'position_loss'


@CALLBACKS.register_module()
class PositionLossCallback(Callback):
    """Writes a proposal network's mean loss of each token, by its place in the image.

    After validation the run's folder holds position_loss.csv, with the columns
    position, row, column and loss (nats), and position_loss.png: the curve over the
    raster, and the same as a map. Of other systems nothing is written.
    """

    def __init__(self) -> None:
        self._sums: Tensor | None = None  # over images, float64, (h, w)
        self._count = 0

    def before_run(self, runner: Runner) -> None:
        """Forget an earlier run."""
        self._sums, self._count = None, 0

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Add the losses of a batch."""
        if not isinstance(output, Prediction):
            return
        height = output.quantized.tokens.shape[1]
        sums = output.losses.double().sum(0)
        sums = rearrange(sums, '(h w) -> h w', h=height)
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += len(output.losses)

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Write the means over all ranks."""
        own = None if self._sums is None else (self._sums.cpu(), self._count)
        parts = [part for part in distributed.gather(own) if part is not None]
        if not parts or not distributed.is_main():
            return
        sums, counts = zip(*parts, strict=True)
        means = torch.stack(sums).sum(0) / sum(counts)
        runner.work_dir.mkdir(parents=True, exist_ok=True)
        write(means, runner.work_dir / f'{STEM}.csv')
        draw(means, runner.work_dir / f'{STEM}.png')


def write(means: Tensor, path: Path) -> None:
    """Write mean losses (h, w) as a table, a line a position."""
    with path.open('w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['position', 'row', 'column', 'loss'])
        width = means.shape[1]
        for position, loss in enumerate(means.flatten().tolist()):
            writer.writerow([position, *divmod(position, width), loss])


def draw(means: Tensor, path: Path) -> None:
    """Draw mean losses (h, w) as a curve over the raster, and as a map."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4), layout='constrained')
    FigureCanvasAgg(figure)  # no window, whatever the user's settings
    curve, grid = figure.subplots(1, 2, width_ratios=(3, 2))
    curve.plot(means.flatten().numpy(), linewidth=1)
    curve.set(xlabel='position in the raster', ylabel='loss in nats')
    curve.set_title(f'mean {means.mean().item():.4f} nats a token')
    curve.grid(alpha=0.3)
    shown = grid.imshow(means.numpy(), cmap='viridis')
    grid.set(xlabel='column', ylabel='row')
    for axis in (grid.xaxis, grid.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(shown, label='loss in nats')
    figure.savefig(path, dpi=100)
