"""Pictures: grids of reconstructions, and single files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed, dry_run, images
from vq.callbacks.base import Callback
from vq.pictures import KINDS, pictures
from vq.registry import CALLBACKS
from vq.types import Batch, Output, Quantized

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

Row = Tensor  # pictures of one image side by side, uint8, (3, h, n w)


@CALLBACKS.register_module()
class ImagesCallback(Callback):
    """Draws originals beside what a system makes of them, in batched_visual/.

    That is their reconstruction, or a teacher's features and those told from the
    tokens, or what a proposal network completes and generates: see `vq.pictures`. Of
    other systems nothing is drawn.

    In training a sheet of the batch every `interval` iterations, <iteration>.png; in
    validation one sheet of images that are spread evenly over the data set,
    validation.png. Both go into the log's backends, too. Drawing changes neither the
    weights nor any random state.

    Args:
        interval: Iterations between sheets.
        number: Largest number of images on a sheet.
        pairs: Images, each beside its reconstruction, in a row of the sheet.
        height: Smaller pictures are enlarged by the largest whole factor that keeps
            them within this many pixels.
    """

    # Sampling a sheet takes a large proposal network minutes on a CPU: one is enough.
    dry_run_interval = dry_run.ITERATIONS

    def __init__(
        self,
        *,
        interval: int = 500,
        number: int = 16,
        pairs: int = 4,
        height: int = 128,
    ) -> None:
        self.interval = interval
        self.number = number
        self.pairs = pairs
        self.height = height
        self._drawn: dict[int, Row] = {}

    def before_run(self, runner: Runner) -> None:
        """Forget the pictures of an earlier run."""
        self._drawn = {}

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Reconstruct a few images of the batch, in evaluation mode, and draw them."""
        if runner.iteration % self.interval:
            return
        few = batch.select(range(min(self.number, len(batch))))
        runner.model.eval()
        # Every rank: where weights are sharded, all must take part in drawing.
        rows = _rows(runner, few)
        runner.model.train()
        if not rows or not distributed.is_main():
            return
        sheet = self._sheet(rows)
        images.save_png(sheet, self._path(runner, str(runner.iteration)))
        if runner.visualizer is not None:
            runner.visualizer.image('train/reconstruction', sheet, runner.iteration)

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Keep the images that the sheet will show."""
        length = len(runner.dataset)
        chosen = {i * length // self.number for i in range(self.number)}
        indices = batch.index.tolist()
        places = [place for place, index in enumerate(indices) if index in chosen]
        # Quantized alone: there is no more of the model.
        if not places or isinstance(output, Quantized):
            return
        few = batch.select(places)
        # Of some systems there are no rows.
        for index, row in zip(few.index.tolist(), _rows(runner, few), strict=False):
            self._drawn[index] = row

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Draw the sheet, of all ranks' images."""
        drawn: dict[int, Row] = {}
        for of_rank in distributed.gather(self._drawn):
            drawn |= of_rank
        if drawn and distributed.is_main():
            sheet = self._sheet([drawn[index] for index in sorted(drawn)])
            images.save_png(sheet, self._path(runner, 'validation'))
            if runner.visualizer is not None:
                runner.visualizer.image('val/reconstruction', sheet, runner.trained)

    def _sheet(self, rows: Sequence[Row]) -> Tensor:
        stacked = torch.stack(list(rows))
        factor = max(1, self.height // stacked.shape[2])
        return images.grid(images.enlarge(stacked, factor), columns=self.pairs)

    def _path(self, runner: Runner, stem: str) -> Path:
        return runner.work_dir / 'batched_visual' / f'{stem}.png'


@torch.no_grad()
def _rows(runner: Runner, few: Batch) -> list[Row]:
    """Return the pictures of each image side by side; none of some systems."""
    with runner.strategy.gathered(runner.model):
        with runner.strategy.autocast():
            output = runner.model.val_step(few)  # type: ignore[operator]
        shown = list(pictures(few, output).values())  # some are made only here
    return list(images.side_by_side(*shown).cpu()) if shown else []


@CALLBACKS.register_module()
class VisualCallback(Callback):
    """Saves single pictures: unbatched_visual/<kind>_<id, with - for />.png.

    Args:
        pattern: Regular expression that the kind (`image`, `reconstruction`,
            `completed`, `generated`, `target`, `features`) must match fully; a
            proposal network draws no others.
    """

    def __init__(self, *, pattern: str) -> None:
        self._kinds = [kind for kind in KINDS if re.fullmatch(pattern, kind)]
        if not self._kinds:
            raise ValueError(f'--visual {pattern!r} matches none of {KINDS}')

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Save every picture of the batch; each rank its own."""
        shown = pictures(batch, output, kinds=self._kinds)
        for kind in self._kinds:
            for name, picture in zip(batch.ids, shown.get(kind, ()), strict=False):
                stem = name.rsplit('.', 1)[0].replace('/', '-')
                path = runner.work_dir / 'unbatched_visual' / f'{kind}_{stem}.png'
                images.save_png(picture, path)
