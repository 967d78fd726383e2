"""Pictures: grids of reconstructions, and single files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed, images
from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch, Quantized, Reconstruction

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

KINDS = ('image', 'reconstruction')


def _sheet(
    batch: Batch, reconstruction: Reconstruction, number: int, pairs: int
) -> Tensor:
    pictures = images.to_uint8(reconstruction.image[:number]).cpu()
    originals = batch.original_image[:number].cpu()
    return images.side_by_side(originals, pictures, pairs=pairs)


@CALLBACKS.register_module()
class ImagesCallback(Callback):
    """Draws originals beside their reconstructions: batched_visual/<iteration>.png.

    In training also into the log's backends. Drawing changes neither the weights nor
    any random state.

    Args:
        interval: Iterations (in validation: batches) between sheets.
        number: Largest number of pairs on a sheet.
        pairs: Pairs in a row.
    """

    def __init__(
        self, *, interval: int = 500, number: int = 16, pairs: int = 4
    ) -> None:
        self.interval = interval
        self.number = number
        self.pairs = pairs

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Reconstruct a few images of the batch, in evaluation mode, and draw them."""
        if runner.iteration % self.interval:
            return
        few = next(batch.chunk(max(1, len(batch) // self.number)))
        runner.model.eval()
        with torch.no_grad(), runner.strategy.autocast():
            reconstruction = runner.model.val_step(few)  # type: ignore[operator]
        runner.model.train()
        if not distributed.is_main():
            return
        sheet = _sheet(few, reconstruction, self.number, self.pairs)
        images.save_png(sheet, self._path(runner))
        if runner.visualizer is not None:
            runner.visualizer.image('train/reconstruction', sheet, runner.iteration)

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Reconstruction | Quantized
    ) -> None:
        """Draw the first batch of each interval."""
        first = (runner.iteration - 1) % self.interval == 0
        if first and distributed.is_main() and isinstance(output, Reconstruction):
            sheet = _sheet(batch, output, self.number, self.pairs)
            images.save_png(sheet, self._path(runner))

    def _path(self, runner: Runner) -> Path:
        return runner.work_dir / 'batched_visual' / f'{runner.iteration}.png'


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
        self, runner: Runner, batch: Batch, output: Reconstruction | Quantized
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
