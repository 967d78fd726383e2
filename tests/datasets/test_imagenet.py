"""ImageNet reads the same in each layout, and says what is odd about a broken one."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.datasets import miniatures
from tests.datasets.miniatures import LEAVES, VAL_NAMES, VAL_WNIDS, categories, ids
from tests.datasets.pictures import save_folder
from tests.log import Records
from vq.datasets import FolderDataset, ImageNetDataset, MissingDataError

TRAIN_NUMBERS = ['117', '18', '2']  # as names sort


def _solution(root: Path) -> None:
    miniatures.imagenet_folders(root)
    _flatten(root)
    miniatures.imagenet_solution(root)


def _kit(root: Path) -> None:
    miniatures.imagenet_folders(root)
    _flatten(root)
    miniatures.imagenet_kit(root)


def _flatten(root: Path) -> None:
    for path in list((root / 'val').rglob('*.JPEG')):
        path.rename(root / 'val' / path.name)
    for folder in list((root / 'val').iterdir()):
        if folder.is_dir():
            folder.rmdir()


LAYOUTS: Mapping[str, Callable[[Path], None]] = dict(
    folders=miniatures.imagenet_folders,
    flat_solution=_solution,
    flat_kit=_kit,
    annotated=miniatures.imagenet_annotated,
)


def _load(root: Path, split: Any, **options: Any) -> ImageNetDataset:
    return ImageNetDataset(split=split, data_root=str(root), **options)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_training_images_and_classes(layout: str, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    dataset = _load(tmp_path, 'train')
    prefix = '' if layout == 'annotated' else '{}_'
    expected = [
        f'{wnid}/{prefix.format(wnid)}{number}.JPEG'
        for wnid in sorted(LEAVES)
        for number in TRAIN_NUMBERS
    ]
    assert ids(dataset) == expected
    assert categories(dataset) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert dataset.categories == sorted(LEAVES)
    folder = FolderDataset(data_root=str(tmp_path / 'train'), transforms=[])
    assert ids(folder) == expected
    for index in (0, 8):
        assert torch.equal(dataset.read(index), folder.read(index))


@pytest.mark.parametrize('layout', LAYOUTS)
def test_validation_images_and_classes(layout: str, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    dataset = _load(tmp_path, 'val')
    # Numbers of the images, by class and then by name.
    order = sorted(range(4), key=lambda i: (VAL_WNIDS[i], i))
    found = [int(Path(id_).stem[-8:]) - 1 for id_ in ids(dataset)]
    assert found == order
    wnids = [dataset.categories[category] for category in categories(dataset)]
    assert wnids == [VAL_WNIDS[i] for i in order]
    assert categories(dataset) == [0, 1, 1, 2]
    if layout.startswith('flat'):
        assert ids(dataset) == [VAL_NAMES[i] for i in order]


@pytest.mark.parametrize('layout', ['annotated', 'flat_kit'])
def test_classes_in_the_kits_order(layout: str, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    dataset = _load(tmp_path, 'train', class_order='ilsvrc')
    assert dataset.categories == LEAVES
    wnids = [id_.split('/')[0] for id_ in ids(dataset)]
    assert categories(dataset) == [LEAVES.index(wnid) for wnid in wnids]


def test_the_kits_order_needs_the_kit(tmp_path: Path) -> None:
    miniatures.imagenet_folders(tmp_path)
    with pytest.raises(MissingDataError, match=r'no file .*synsets\.json'):
        _load(tmp_path, 'train', class_order='ilsvrc')
    with pytest.raises(ValueError, match="got 'alphabetical'"):
        _load(tmp_path, 'train', class_order='alphabetical')


def test_annotations_may_call_the_name_image(tmp_path: Path) -> None:
    miniatures.imagenet_annotated(tmp_path / 'a')
    miniatures.imagenet_annotated(tmp_path / 'b', key='image')
    assert ids(_load(tmp_path / 'a', 'val')) == ids(_load(tmp_path / 'b', 'val'))


def test_a_subset_is_numbered_alike_in_both_splits(
    tmp_path: Path, log: Records
) -> None:
    miniatures.imagenet_folders(tmp_path)
    for path in (tmp_path / 'train' / LEAVES[1]).iterdir():
        path.unlink()
    (tmp_path / 'train' / LEAVES[1]).rmdir()
    train, val = _load(tmp_path, 'train'), _load(tmp_path, 'val')
    assert train.categories == val.categories == sorted(LEAVES)
    assert categories(train) == [1, 1, 1, 2, 2, 2]
    assert 'has 3 classes, not 1000' in log.warnings[0]


def test_a_thousand_classes_bring_no_warning(tmp_path: Path, log: Records) -> None:
    wnids = [f'n{i:08d}' for i in range(1000)]
    for wnid in wnids:
        (tmp_path / 'train' / wnid).mkdir(parents=True)
        (tmp_path / 'train' / wnid / f'{wnid}_1.JPEG').touch()
    assert _load(tmp_path, 'train').categories == wnids
    assert log.warnings == []


def test_labels_of_the_flat_folder_must_be_there(tmp_path: Path) -> None:
    miniatures.imagenet_flat_val(tmp_path)
    with pytest.raises(MissingDataError, match=r'ground_truth\.txt; .*LOC_val_solut'):
        _load(tmp_path, 'val')
    miniatures.imagenet_solution(tmp_path)
    save_folder(tmp_path / 'val', ['cat.JPEG'])
    with pytest.raises(ValueError, match=r'cat\.JPEG has no label'):
        _load(tmp_path, 'val')


def test_a_kit_without_scipy_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kit(tmp_path)
    real = importlib.import_module

    def without(name: str) -> ModuleType:
        if name == 'scipy.io':
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, 'import_module', without)
    with pytest.raises(ImportError, match=r"meta\.mat .*pip install 'vq\[datasets\]'"):
        _load(tmp_path, 'val')
    miniatures.imagenet_synsets(tmp_path)
    assert len(_load(tmp_path, 'val')) == 4


ODD: Mapping[str, tuple[list[str], list[str], str]] = {
    # Pictures, empty files or folders (with a slash), what the error says.
    'archives': ([], ['n01000000.tar', 'n02000000.tar'], '2 archives .*n01000000.tar'),
    'half': (
        ['n01000000/n01000000_1.JPEG'],
        ['n02000000/'],
        '1 of 2 classes .*n020000',
    ),
    'names': (
        ['n01000000/n01000000_1.JPEG', 'n01000000/2.JPEG'],
        [],
        r'both original names \(n01000000_1.JPEG\) and shortened ones \(2.JPEG\)',
    ),
    'stranger': (['n01000000/n02000000_1.JPEG'], [], 'n02000000_1.JPEG of another'),
    'flat and folders': (
        ['n01000000/n01000000_1.JPEG', 'n01000000_2.JPEG'],
        [],
        r'class folders \(n01000000\) and images \(n01000000_2.JPEG\)',
    ),
    'words': (['cat/1.JPEG'], [], 'cat is no class: .*FolderDataset'),
    'nothing': ([], [], 'train is empty; ImageNet-1k is expected as .*image-net.org'),
}


@pytest.mark.parametrize('case', ODD)
def test_what_is_odd_is_said(case: str, tmp_path: Path) -> None:
    pictures, empty, said = ODD[case]
    root = tmp_path / 'train'
    root.mkdir()
    save_folder(root, pictures)
    for name in empty:
        (root / name).mkdir() if name.endswith('/') else (root / name).touch()
    with pytest.raises((MissingDataError, ValueError), match=said):
        _load(tmp_path, 'train')


def test_annotated_images_must_be_there(tmp_path: Path) -> None:
    miniatures.imagenet_annotated(tmp_path)
    first = tmp_path / 'train' / LEAVES[0] / '117.JPEG'
    first.rename(first.with_name(f'{LEAVES[0]}_117.JPEG'))
    with pytest.raises(MissingDataError, match=f'lists {LEAVES[0]}/117.JPEG, which'):
        _load(tmp_path, 'train')
    (tmp_path / 'train' / LEAVES[0]).rename(tmp_path / 'elsewhere')
    with pytest.raises(MissingDataError, match=f'1 classes .*such as {LEAVES[0]}'):
        _load(tmp_path, 'train')


def test_the_folder_of_a_split_is_not_the_root(tmp_path: Path) -> None:
    miniatures.imagenet_folders(tmp_path)
    with pytest.raises(MissingDataError, match='data_root is the folder above `train`'):
        _load(tmp_path / 'train', 'train')
