"""SATIN's pictures are its rows, however the package `datasets` keeps them."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.datasets import miniatures
from tests.datasets.miniatures import ids
from tests.datasets.pictures import noise
from vq.datasets import MissingDataError, SATINDataset
from vq.datasets.satin import SUBSETS


@pytest.mark.parametrize('kind', miniatures.SATIN_MAKERS)
def test_pictures_are_the_rows(kind: str, tmp_path: Path) -> None:
    root = tmp_path / 'satin'
    for name, number, seed in (('RS_C11', 20, 0), ('MLRSNet', 31, 100)):
        rows = miniatures.satin_rows(number, seed=seed)
        miniatures.SATIN_MAKERS[kind](root, name, rows)
    subsets = ['RS_C11', 'MLRSNet']
    val = SATINDataset(split='val', data_root=str(root), subsets=subsets)
    assert ids(val) == [f'RS_C11:{i}' for i in (0, 10)] + [
        f'MLRSNet:{i}' for i in (0, 10, 20)
    ]
    seeds = (0, 10, 100, 110, 120)
    for index, seed in enumerate(seeds):
        expected = torch.from_numpy(noise(6, 6, seed=seed)).permute(2, 0, 1)
        assert torch.equal(val.read(index), expected)
    train = SATINDataset(split='train', data_root=str(root), subsets=subsets)
    assert len(train) == 18 + 28
    assert not set(ids(train)) & set(ids(val))


def test_the_newest_of_two_cached_versions_is_read(tmp_path: Path) -> None:
    root = tmp_path / 'satin'
    rows = miniatures.satin_rows(10, seed=0)
    miniatures.satin_cached(root, 'CLRS', rows)
    (arrow,) = root.rglob('*.arrow')
    for folder in ('older', 'newer.incomplete'):
        copy = arrow.parent.with_name(folder) / arrow.name
        copy.parent.mkdir()
        copy.write_bytes(b'not read')
    arrow.rename(arrow.with_name('again')).rename(arrow)  # its folder is the newest
    dataset = SATINDataset(split='train', data_root=str(root), subsets=['CLRS'])
    assert len(dataset) == 9


def test_all_that_is_missing_is_named(tmp_path: Path) -> None:
    root = tmp_path / 'satin'
    rows = miniatures.satin_rows(10, seed=0)
    miniatures.satin_parquet(root, 'CLRS', rows)
    with pytest.raises(MissingDataError, match='lacks 18 of 19 .*NASC-TG2, WHU-RS19'):
        SATINDataset(split='val', data_root=str(root))
    assert len(set(SUBSETS)) == 19


def test_without_the_package_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = miniatures.satin_rows(10, seed=0)
    miniatures.satin_parquet(tmp_path, 'CLRS', rows)
    real = importlib.import_module

    def without(name: str) -> ModuleType:
        if name == 'datasets':
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, 'import_module', without)
    with pytest.raises(ImportError, match=r"pip install 'vq\[datasets\]'"):
        SATINDataset(split='val', data_root=str(tmp_path), subsets=['CLRS'])
