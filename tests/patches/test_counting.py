"""Counts of any codebook equal numpy's bincount; statistics those of the metrics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.patches.painting import NoiseDataset, tokenize
from vq.models.quantizers.usage import codebook_statistics
from vq.patches import counting
from vq.patches.counting import CodeCounts, walk

NOISE = dict(type=NoiseDataset.__name__, length=10, height=8, width=12)


@pytest.mark.parametrize('merge', [1, 2**20])
@pytest.mark.parametrize('dtype', [np.uint16, np.uint32, np.uint64])
def test_counts_equal_bincount(
    merge: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, 'MERGE', merge)
    tokens = np.random.default_rng(0).binomial(60, 0.3, (40, 3, 5)).astype(dtype)
    counts = CodeCounts(size=64)
    for shard in np.split(tokens, 8):
        counts.add(shard)
    expected = np.bincount(tokens.ravel().astype(np.int64), minlength=64)
    codes, found = counts.result()
    assert codes.dtype == dtype
    assert np.array_equal(codes, np.flatnonzero(expected))
    assert np.array_equal(found, expected[expected > 0])
    statistics = counts.statistics()
    theirs = codebook_statistics(torch.from_numpy(np.append(expected, 0)))
    assert {name: statistics[name] for name in theirs} == pytest.approx(theirs)
    assert statistics['used'] + statistics['dead'] == 64
    assert statistics['tokens'] == tokens.size


def test_a_vast_codebook_takes_little() -> None:
    counts = CodeCounts(size=2**64)
    counts.add(np.array([2**64 - 1, 2**63, 2**64 - 1], np.uint64))
    codes, found = counts.result()
    assert (codes.tolist(), found.tolist()) == ([2**63, 2**64 - 1], [1, 2])
    assert counts.statistics()['dead'] == 2**64 - 2


def test_no_token_is_no_statistics() -> None:
    with pytest.raises(ValueError, match='no token'):
        CodeCounts(size=4).statistics()


def test_a_walk_is_the_whole_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tokenize(tmp_path, NOISE, patch=(4, 4), channels=2)
    shards = list(walk(store, sub_token=1, label='counting'))
    expected = np.stack([store[i][0][..., 1] for i in range(10)])
    assert np.array_equal(np.concatenate([s[1] for s in shards]), expected)
    assert [s[0] for s in shards] == [0, 1, 2]
    assert np.concatenate([s[2] for s in shards]).tolist() == list(range(10))
    assert 'counting  100% of 60 tokens' in capsys.readouterr().err


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    store = tokenize(tmp_path, NOISE, patch=(4, 4))
    path = tmp_path / 'tokens' / 'shard_00001' / 'tokens.npy'
    tokens = np.load(path)
    for bad in (tokens[:, :1], tokens.astype(np.int64), tokens + np.uint16(999)):
        np.save(path, bad)
        with pytest.raises(ValueError, match=r'shard_00001: .*delete this folder'):
            list(walk(store, sub_token=0, label=''))
