"""A tiny extractor, and extractions with it: what several tests share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.runs import job
from vq.models.extractors import Extractor, Features
from vq.registry import MODELS, RUNNERS
from vq.runners import Extraction

LENGTH = 101  # images: no multiple of a block, a batch or a number of ranks


@MODELS.register_module()
class Averages(Extractor):
    """Averages of 2 x 2 parts and of 4 x 4 parts of an image; it has no weights."""

    dim = 12
    spatial_dim = 48

    def __init__(self) -> None:
        super().__init__(weights='none')
        self.network = nn.Identity()
        self._freeze()

    def load_pretrained(self) -> None:
        self.sha256 = 'none'

    def prepare(self, pixels: Tensor) -> Tensor:
        return pixels / 256  # a power of two: all averages are exact

    def features(self, output: Tensor) -> Features:
        return Features(pooled=pool(output, 2), spatial=pool(output, 4))


def pool(image: Tensor, parts: int) -> Tensor:
    """Return the averages of parts x parts parts: (b, 3, h, w) -> (b, 3 parts^2)."""
    cells = reduce(image, 'b c (i h) (j w) -> b c i j', 'mean', i=parts, j=parts)
    return rearrange(cells, 'b c i j -> b (c i j)')


def extraction(folder: Path, *, batch_size: int = 6, **changes: Any) -> Extraction:
    """Return a run over 101 images in blocks of 8; changes are the callback's.

    Args:
        folder: Its work dir.
        batch_size: Of all ranks together.
        changes: Of the callback, and `dataset`.
    """
    dataset = dict(type='SpottyDataset', length=LENGTH) | changes.pop('dataset', {})
    callback = dict(type='StatisticsCallback', block_size=8, save_every=0) | changes
    runner: Extraction = RUNNERS.build(
        dict(
            type='Extraction',
            model=dict(type='Averages'),
            dataset=dataset,
            dataloader=dict(batch_size=batch_size, num_workers=0),
            strategy=dict(type='DDPStrategy'),
            callbacks=[callback, dict(type='LogCallback', interval=1)],
        ),
        job=job(folder),
    )
    return runner


def by_hand(runner: Extraction) -> dict[str, NDArray[np.float32]]:
    """Return the features of all readable images by kind, (n, d), one by one."""
    found: dict[str, list[Tensor]] = dict(pooled=[], spatial=[])
    for index in range(len(runner.dataset)):
        if index not in runner.dataset.broken:  # type: ignore[attr-defined]
            image = runner.dataset.read(index)[None] / 256
            found['pooled'].append(pool(image, 2))
            found['spatial'].append(pool(image, 4))
    return {kind: torch.cat(rows).numpy() for kind, rows in found.items()}
