"""A random split is fixed by seed and names, and its parts are all, and all apart."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.datasets.miniatures import categories, ids
from tests.datasets.pictures import save_folder
from vq.config import check
from vq.datasets import FolderDataset, LimitedDataset, RandomSplitDataset, Unreadable
from vq.registry import DATASETS
from vq.types import Sample, SampleKey

NAMES = [f'{kind}/{i}.png' for kind in ('cat', 'dog') for i in range(6)]
FLIP = dict(type='RandomHorizontalFlip')


def split(root: Path, part: Any, **options: Any) -> RandomSplitDataset:
    """Return one part of a folder."""
    inner = dict(type='FolderDataset', data_root=str(root))
    options = dict(val_size=5) | options
    return RandomSplitDataset(dataset=inner, split=part, **options)


def parts(root: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Return the names in both parts."""
    return ids(split(root, 'train', **options)), ids(split(root, 'val', **options))


def by_hash(names: list[str], seed: int) -> list[str]:
    """Return names in the order of their hashes, the plain way."""

    def rank(name: str) -> str:
        return hashlib.blake2b(f'{seed}:{name}'.encode(), digest_size=8).hexdigest()

    return sorted(names, key=rank)


@pytest.mark.parametrize('seed', [0, 3])
@pytest.mark.parametrize(('val_size', 'number'), [(5, 5), (0.25, 3), (1, 1), (11, 11)])
def test_validation_gets_the_least_hashes(
    tmp_path: Path, seed: int, val_size: float, number: int
) -> None:
    save_folder(tmp_path, NAMES)
    train, val = parts(tmp_path, seed=seed, val_size=val_size)
    assert val == sorted(by_hash(NAMES, seed)[:number])
    assert train == sorted(set(NAMES) - set(val))


def test_every_name_is_as_likely(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    counts = dict.fromkeys(NAMES, 0)
    for seed in range(200):
        for name in ids(split(tmp_path, 'val', val_size=3, seed=seed)):
            counts[name] += 1
    assert sum(counts.values()) == 600
    assert all(25 < count < 75 for count in counts.values())  # 50, give or take 6


def test_a_new_file_moves_one_at_most(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    before = set(parts(tmp_path)[1])
    for number in range(10):
        save_folder(tmp_path, [f'bird/{number}.png'])
        after = set(parts(tmp_path)[1])
        assert len(before - after) == len(after - before) <= 1
        before = after


def test_pictures_and_classes_are_the_data_sets_own(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    whole = FolderDataset(data_root=str(tmp_path), transforms=[FLIP])
    places = {whole.id(i): i for i in range(len(whole))}
    dataset = split(tmp_path, 'train', transforms=[FLIP])
    for index in range(len(dataset)):
        sample = dataset[SampleKey(index, 2, 3)]
        original = whole[SampleKey(places[dataset.id(index)], 2, 3)]
        assert isinstance(sample, Sample) and isinstance(original, Sample)
        assert torch.equal(sample.original_image, original.original_image)
        assert (sample.id, sample.category) == (original.id, original.category)
        assert sample.index == index
        assert torch.equal(dataset.read(index), whole.read(places[sample.id]))
    assert categories(dataset) == [name[:3] == 'dog' for name in ids(dataset)]
    assert dataset.categories == ['cat', 'dog']
    assert dataset.transform_configs == [FLIP]
    assert split(tmp_path, 'val').transforms == []
    assert (dataset.name, dataset.split) == (whole.name, 'train')
    assert dataset.description == f'{tmp_path} train (5 of 12 for val, seed 0)'


def test_one_of_the_same_part_takes_the_place_of_a_broken_one(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    inner = dict(type='FolderDataset', data_root=str(tmp_path), on_error='replace')
    train, val = (
        RandomSplitDataset(dataset=inner, split=part, val_size=6)
        for part in ('train', 'val')
    )
    for dataset in (train, val):
        for index in range(len(dataset)):
            (tmp_path / dataset.id(index)).write_bytes(b'')
            found, following = dataset[index], (index + 1) % len(dataset)
            save_folder(tmp_path, [dataset.id(index)])
            assert isinstance(found, Unreadable)
            assert isinstance(found.replacement, Sample)
            assert found.replacement.id == dataset.id(following)
            assert found.replacement.index == following


def test_the_limited_stay_within_the_limit(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    (tmp_path / NAMES[1]).write_bytes(b'')
    inner = dict(
        type='FolderDataset', data_root=str(tmp_path), transforms=[], on_error='replace'
    )
    limited = LimitedDataset(dataset=inner, length=2)
    found = limited[1]
    assert isinstance(found, Unreadable) and isinstance(found.replacement, Sample)
    assert found.replacement.id == NAMES[0]
    with pytest.raises(IndexError, match=r'index 2 is not in \[0, 2\)'):
        limited.id(2)


@pytest.mark.parametrize('val_size', [0, 12, 0.0, 1.0, 0.01, -1])
def test_an_empty_part_is_refused(tmp_path: Path, val_size: float) -> None:
    save_folder(tmp_path, NAMES)
    with pytest.raises(ValueError, match=rf'12 images .* \[1, 11\] .* got {val_size}'):
        split(tmp_path, 'train', val_size=val_size)


def test_wrong_configs_are_refused(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    with pytest.raises(ValueError, match="split must be one of .*'test'"):
        split(tmp_path, 'test')
    inner = dict(type='FolderDataset', data_root=str(tmp_path), transforms=[FLIP])
    with pytest.raises(ValueError, match='has transforms .*RandomHorizontalFlip'):
        RandomSplitDataset(dataset=inner, split='val')


def test_a_config_passes_the_check(tmp_path: Path) -> None:
    inner = dict(type='FolderDataset', data_root=str(tmp_path))
    config = dict(type='RandomSplitDataset', dataset=inner, split='val', val_size=3)
    check(config)
    save_folder(tmp_path, NAMES)
    assert len(DATASETS.build(config)) == 3
