"""Pictures: grids of reconstructions, and single files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed, images
from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch, Output, Quantized, Reconstruction

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

KINDS = ('image', 'reconstruction')


Pair = tuple[Tensor, Tensor]  # an original and its reconstruction: uint8, (3, h, w)


@CALLBACKS.register_module()
class ImagesCallback(Callback):
    """Draws originals beside their reconstructions, in batched_visual/.

    In training a sheet of the batch every `interval` iterations, <iteration>.png, also
    into the log's backends; in validation one sheet of images that are spread evenly
    over the data set, validation.png. Drawing changes neither the weights nor any
    random state.

    Args:
        interval: Iterations between sheets.
        number: Largest number of pairs on a sheet.
        pairs: Pairs in a row.
        height: Smaller pictures are enlarged by the largest whole factor that keeps
            them within this many pixels.
    """

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
        self._drawn: dict[int, Pair] = {}

    def before_run(self, runner: Runner) -> None:
        """Forget the pictures of an earlier run."""
        self._drawn = {}

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Reconstruct a few images of the batch, in evaluation mode, and draw them."""
        if runner.iteration % self.interval:
            return
        few = next(batch.chunk(max(1, len(batch) // self.number)))
        runner.model.eval()
        with torch.no_grad(), runner.strategy.autocast():
            output = runner.model.val_step(few)  # type: ignore[operator]
        runner.model.train()
        if not distributed.is_main():
            return
        sheet = self._sheet(_pairs(few, output)[: self.number])
        images.save_png(sheet, self._path(runner, str(runner.iteration)))
        if runner.visualizer is not None:
            runner.visualizer.image('train/reconstruction', sheet, runner.iteration)

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Keep the images that the sheet will show."""
        if not isinstance(output, Reconstruction):
            return
        length = len(runner.dataset)
        chosen = {i * length // self.number for i in range(self.number)}
        indices = batch.index.tolist()
        if chosen.isdisjoint(indices):
            return
        for index, pair in zip(indices, _pairs(batch, output), strict=True):
            if index in chosen:
                self._drawn[index] = pair

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Draw the sheet, of all ranks' images."""
        drawn: dict[int, Pair] = {}
        for of_rank in distributed.gather(self._drawn):
            drawn |= of_rank
        if drawn and distributed.is_main():
            sheet = self._sheet([drawn[index] for index in sorted(drawn)])
            images.save_png(sheet, self._path(runner, 'validation'))

    def _sheet(self, pairs: Sequence[Pair]) -> Tensor:
        originals, reconstructions = (
            torch.stack(side) for side in zip(*pairs, strict=True)
        )
        factor = max(1, self.height // originals.shape[2])
        return images.side_by_side(
            images.enlarge(originals, factor),
            images.enlarge(reconstructions, factor),
            pairs=self.pairs,
        )

    def _path(self, runner: Runner, stem: str) -> Path:
        return runner.work_dir / 'batched_visual' / f'{stem}.png'


def _pairs(batch: Batch, output: Reconstruction) -> list[Pair]:
    originals = batch.original_image.cpu()
    return list(zip(originals, images.to_uint8(output.image).cpu(), strict=True))


@CALLBACKS.register_module()
class VisualCallback(Callback):
    """Saves single pictures: unbatched_visual/<kind>_<id, with - for />.png.

    Args:
        pattern: Regular expression that the kind (`image`, `reconstruction`) must match
            fully.
    """

    def __init__(self, *, pattern: str) -> None:
        self._kinds = [kind for kind in KINDS if re.fullmatch(pattern, kind)]
        if not self._kinds:
            raise ValueError(f'--visual {pattern!r} matches none of {KINDS}')

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Save every picture of the batch; each rank its own."""
        if not isinstance(output, Reconstruction):
            return
        pictures = dict(
            image=batch.original_image, reconstruction=images.to_uint8(output.image)
        )
        for kind in self._kinds:
            for name, picture in zip(batch.ids, pictures[kind], strict=True):
                stem = name.rsplit('.', 1)[0].replace('/', '-')
                path = runner.work_dir / 'unbatched_visual' / f'{kind}_{stem}.png'
                images.save_png(picture, path)
