"""Folders are listed as torchvision lists them, and missing ones say the way out."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder

from tests.datasets.pictures import save_folder, to_tensor
from vq import paths
from vq.datasets import FolderDataset, MissingDataError, Unreadable

NAMES = [
    'n02/b.png', 'n02/a.JPEG', 'n01/10.png', 'n01/9.png', 'n10/deep/er/c.png',
    'n10/deep.png', 'n01/ä ö.png',
]  # fmt: skip


def test_classes_ids_and_pixels_equal_torchvision(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    (tmp_path / 'n01' / 'notes.txt').write_text('no picture')
    (tmp_path / 'n01' / '._9.png').write_text('no picture either')
    ours = FolderDataset(data_root=str(tmp_path), transforms=[])
    theirs = ImageFolder(str(tmp_path))
    expected = {
        Path(path).relative_to(tmp_path).as_posix(): (category, theirs.loader(path))
        for path, category in theirs.samples
        if not Path(path).name.startswith('.')
    }
    assert {ours.id(i) for i in range(len(ours))} == expected.keys() == set(NAMES)
    for index in range(len(ours)):
        category, image = expected[ours.id(index)]
        assert ours.category(index) == category
        assert torch.equal(ours.read(index), to_tensor(image))
    assert ours.categories == theirs.classes == ['n01', 'n02', 'n10']


def test_order_is_that_of_classes_then_names(tmp_path: Path) -> None:
    save_folder(tmp_path, NAMES)
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[])
    ids = [dataset.id(i) for i in range(len(dataset))]
    assert ids == [
        'n01/10.png', 'n01/9.png', 'n01/ä ö.png', 'n02/a.JPEG', 'n02/b.png',
        'n10/deep.png', 'n10/deep/er/c.png',
    ]  # fmt: skip


def test_flat_folder_has_one_category(tmp_path: Path) -> None:
    save_folder(tmp_path, ['b.png', 'a.png'])
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[])
    assert [dataset.id(i) for i in range(2)] == ['a.png', 'b.png']
    assert [dataset.category(i) for i in range(2)] == [0, 0]
    assert dataset.categories == []


def test_empty_class_keeps_its_number(tmp_path: Path) -> None:
    save_folder(tmp_path, ['b/1.png'])
    (tmp_path / 'a').mkdir()
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[])
    assert (dataset.category(0), dataset.categories) == (1, ['a', 'b'])


def test_extensions_are_an_option(tmp_path: Path) -> None:
    save_folder(tmp_path, ['a.png', 'b.PIC'])
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[], extensions=['.pic'])
    assert [dataset.id(i) for i in range(len(dataset))] == ['b.PIC']


def test_relative_root_lies_below_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_folder(tmp_path / 'data' / 'cats', ['a.png'])
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    assert len(FolderDataset(data_root='data/cats', transforms=[])) == 1


def test_a_split_is_a_folder_below(tmp_path: Path) -> None:
    save_folder(tmp_path, ['train/cat/a.png', 'train/dog/b.png', 'val/cat/c.png'])
    split, whole = (
        FolderDataset(data_root=str(root), split=name, transforms=[])
        for root, name in ((tmp_path, 'train'), (tmp_path / 'train', ''))
    )
    assert [split.id(i) for i in range(2)] == [whole.id(i) for i in range(2)]
    assert split.categories == whole.categories == ['cat', 'dog']
    assert split.description == whole.description == str(tmp_path / 'train')


def test_missing_or_empty_folder_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match='no folder .*gone; put images there'):
        FolderDataset(data_root=str(tmp_path / 'gone'), transforms=[])
    (tmp_path / 'digits' / 'train').mkdir(parents=True)
    with pytest.raises(MissingDataError, match=r'no image .*prepare_data\.py digits'):
        FolderDataset(data_root=str(tmp_path / 'digits' / 'train'), transforms=[])


def test_images_beside_class_folders_are_refused(tmp_path: Path) -> None:
    save_folder(tmp_path, ['a.png', 'cats/b.png'])
    with pytest.raises(ValueError, match=r'both images \(a\.png\) and .*\(cats\)'):
        FolderDataset(data_root=str(tmp_path), transforms=[])


def test_broken_file_is_reported_by_id(tmp_path: Path) -> None:
    save_folder(tmp_path, ['a/1.png', 'a/2.png'])
    (tmp_path / 'a' / '1.png').write_bytes(b'')
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[], on_error='skip')
    assert dataset[0] == Unreadable(['a/1.png: the file is empty'])


def test_a_data_set_is_light_to_send_to_a_worker(tmp_path: Path) -> None:
    names = [f'class_{i % 10}/{i:06d}.png' for i in range(300)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = FolderDataset(data_root=str(tmp_path), transforms=[])
    assert sorted(names) == [dataset.id(i) for i in range(300)]
    text = sum(map(len, names))
    assert len(pickle.dumps(dataset)) < text + 300 * (8 + 4) + 2000
    again = pickle.loads(pickle.dumps(dataset))
    assert again.id(299) == dataset.id(299)
    assert np.bincount([again.category(i) for i in range(300)]).tolist() == [30] * 10
