"""Extractions with a tiny extractor: what several tests share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.metrics.pooled_pixels import EXTRACTOR, pool
from tests.runs import job
from vq.registry import RUNNERS
from vq.runners import Extraction

LENGTH = 101  # images: no multiple of a block, a batch or a number of ranks


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
            model=EXTRACTOR,
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
            image = runner.dataset.read(index)[None] / 32
            found['pooled'].append(pool(image, 2))
            found['spatial'].append(pool(image, 4))
    return {kind: torch.cat(rows).numpy() for kind, rows in found.items()}
