"""Sums in files: put together they are those of the whole, and no block comes twice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.metrics.pooled_pixels import PooledPixels
from vq import distributed
from vq.datasets.synthetic import SyntheticDataset
from vq.metrics.partial import PartialFiles, Sums
from vq.metrics.protocol import Protocol
from vq.types import Batch

IMAGES = torch.stack(
    [SyntheticDataset(length=12, size=8, transforms=[]).read(i) for i in range(12)]
)


def sums(*blocks: int) -> Sums:
    """Return the sums of some blocks of three images."""
    found = Sums(PooledPixels(), length=12, features=4, device=torch.device('cpu'))
    for block in blocks:
        index = torch.arange(3 * block, 3 * block + 3)
        images = IMAGES[index]
        batch = Batch(images, torch.zeros(3), index, ['x'] * 3)
        found.update(batch, PooledPixels()(images))
        found.blocks.add(block)
    return found


@pytest.mark.parametrize(
    'files', [[(0, 1, 2, 3)], [(2, 0), (1, 3)], [(1,), (0, 1, 2), (3,), (0,)]]
)
def test_files_put_together_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[tuple[int, ...]]
) -> None:
    store = PartialFiles(tmp_path / 'partial', identity=dict(a=(1, 2)))
    for rank, blocks in enumerate(files):
        monkeypatch.setattr(distributed, 'rank', lambda rank=rank: rank)
        store.write(sums(*blocks))
    monkeypatch.setattr(distributed, 'rank', lambda: 0)
    found = sums()
    store.restore(found, force=False)
    statistics = found.statistics(Protocol())
    pooled = PooledPixels()(IMAGES).pooled
    assert (statistics.pooled.count, found.blocks) == (12, {0, 1, 2, 3})
    np.testing.assert_allclose(
        statistics.pooled.covariance,
        np.cov(pooled.double().numpy(), rowvar=False),
        atol=1e-13,
    )
    assert statistics.features is not None
    assert statistics.features.equal(pooled[::3])
    assert found.size() == '8x8'
    assert [path.name for path in store.folder.iterdir()] == ['rank_0000.safetensors']
    store.remove()
    assert not store.folder.exists()


def test_nothing_is_restored_from_nothing(tmp_path: Path) -> None:
    found = sums()
    PartialFiles(tmp_path / 'partial', identity={}).restore(found, force=False)
    assert (found.count, found.size(), list(tmp_path.iterdir())) == (0, None, [])
