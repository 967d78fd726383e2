"""Lists of pictures: COCO, LAION, SA-Med2D, faces; and what all data sets share."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from tests.datasets import miniatures
from tests.datasets.miniatures import categories, ids
from tests.datasets.pictures import noise, save_folder
from tests.log import Records
from vq import paths
from vq.config import check
from vq.datasets import (
    COCODataset,
    ImageDataset,
    LAIONAestheticsDataset,
    MissingDataError,
    SAMed2DDataset,
    collate,
)
from vq.datasets.sa_med2d import find_index
from vq.registry import DATASETS
from vq.types import Batch


def _faces(root: Path) -> list[str]:
    save_folder(root / 'val', ['00002.png', '00010.png', '1.jpg'])
    (root / 'val' / '.hidden.png').touch()
    (root / 'val' / 'LICENSE.txt').touch()
    return ['00002.png', '00010.png', '1.jpg']


def _laion(root: Path) -> list[str]:
    return miniatures.laion(root)[:-3:-1]


def _sa_med2d(root: Path) -> list[str]:
    return miniatures.sa_med2d(root)[::5][:2]


def _satin(root: Path) -> list[str]:
    rows = miniatures.satin_rows(20, seed=0)
    miniatures.satin_saved(root, 'EuroSAT', rows)
    return ['EuroSAT:0', 'EuroSAT:10']


def _imagenet(root: Path) -> list[str]:
    miniatures.imagenet_folders(root)
    found = (root / 'val').rglob('*.JPEG')
    return sorted(path.relative_to(root / 'val').as_posix() for path in found)


# Each data set: its arguments, the maker of a miniature, its page.
SETS: dict[str, tuple[dict[str, Any], Callable[[Path], list[str]], str]] = {
    'CelebAHQDataset': ({}, _faces, 'progressive_growing_of_gans'),
    'COCODataset': ({}, miniatures.coco, 'cocodataset.org'),
    'FFHQDataset': ({}, _faces, 'NVlabs/ffhq-dataset'),
    'ImageNetDataset': ({}, _imagenet, 'image-net.org'),
    'LAIONAestheticsDataset': (dict(val_size=2), _laion, 'laion.ai'),
    'SAMed2DDataset': (dict(val_size=2), _sa_med2d, 'OpenGVLab/SA-Med2D-20M'),
    'SATINDataset': (dict(subsets=['EuroSAT']), _satin, 'jonathan-roberts1/SATIN'),
}

ROOTS = dict(
    CelebAHQDataset='data/celeba-hq-256',
    COCODataset='data/coco',
    FFHQDataset='data/ffhq-256',
    ImageNetDataset='data/imagenet',
    LAIONAestheticsDataset='data/laion/aesthetics',
    SAMed2DDataset='data/sa_med2d',
    SATINDataset='data/satin',
)


def _build(name: str, root: Path, **changes: Any) -> ImageDataset:
    arguments = dict(SETS[name][0], split='val', data_root=str(root))
    dataset: ImageDataset = DATASETS.build(dict(arguments, type=name, **changes))
    return dataset


@pytest.mark.parametrize('name', SETS)
def test_ids_and_samples(name: str, tmp_path: Path) -> None:
    expected = SETS[name][1](tmp_path / 'data')
    dataset = _build(name, tmp_path / 'data')
    assert ids(dataset) == expected
    if name != 'ImageNetDataset':
        assert set(categories(dataset)) == {0}
        assert dataset.categories == []
    image = dataset.read(0)
    assert (image.dtype, image.shape[0]) == (torch.uint8, 3)
    assert str(tmp_path) in dataset.description
    assert 'val' in dataset.description


@pytest.mark.parametrize('name', SETS)
def test_workers_read_what_this_process_reads(name: str, tmp_path: Path) -> None:
    SETS[name][1](tmp_path / 'data')
    dataset = _build(name, tmp_path / 'data')
    here = [collate([dataset[i]]) for i in range(len(dataset))]
    loader: Any = DataLoader(dataset, num_workers=1, collate_fn=collate)
    there: list[Batch] = list(loader)
    assert [b.ids for b in there] == [b.ids for b in here]
    again = pickle.loads(pickle.dumps(dataset))
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.original_image, other.original_image)
        index = int(one.index)
        assert torch.equal(again.read(index), one.original_image[0])


@pytest.mark.parametrize('name', SETS)
def test_a_missing_one_says_where_it_is_had(name: str, tmp_path: Path) -> None:
    said = rf'no folder {tmp_path}/gone.*expected as .*had from .*{SETS[name][2]}'
    with pytest.raises(MissingDataError, match=said):
        _build(name, tmp_path / 'gone')


@pytest.mark.parametrize('name', SETS)
def test_other_splits_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'test'"):
        _build(name, tmp_path, split='test')


@pytest.mark.parametrize('name', SETS)
def test_the_default_root_lies_below_the_repository(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    config = dict(SETS[name][0], type=name, split='val')
    check(config)
    with pytest.raises(MissingDataError) as error:
        DATASETS.build(config)
    assert str(tmp_path / ROOTS[name]) in str(error.value)
    SETS[name][1](tmp_path / ROOTS[name])
    assert len(DATASETS.build(config))


def test_coco_follows_the_annotations(tmp_path: Path) -> None:
    names = miniatures.coco(tmp_path)
    dataset = COCODataset(split='val', data_root=str(tmp_path))
    assert ids(dataset) == names != sorted(names)
    for index, seed in enumerate(range(3)):
        expected = torch.from_numpy(noise(8, 8, seed=seed)).permute(2, 0, 1)
        assert torch.equal(dataset.read(index), expected)
    with pytest.raises(MissingDataError, match='train2014'):
        COCODataset(split='train', data_root=str(tmp_path))
    (tmp_path / 'annotations' / 'instances_val2014.json').unlink()
    with pytest.raises(MissingDataError, match=r'no file .*instances_val2014\.json'):
        COCODataset(split='val', data_root=str(tmp_path))


def test_coco_without_names_is_refused(tmp_path: Path) -> None:
    miniatures.coco(tmp_path)
    path = tmp_path / 'annotations' / 'instances_val2014.json'
    path.write_text(path.read_text().replace('file_name', 'coco_url'))
    with pytest.raises(ValueError, match='no file_name'):
        COCODataset(split='val', data_root=str(tmp_path))


@pytest.mark.parametrize('header', [False, True])
def test_laion_lists_its_first_column(header: bool, tmp_path: Path) -> None:
    names = miniatures.laion(tmp_path, header=header)
    options: Any = dict(data_root=str(tmp_path), val_size=2)
    assert ids(LAIONAestheticsDataset(split='train', **options)) == names[:-2]
    assert ids(LAIONAestheticsDataset(split='val', **options)) == names[:-3:-1]


def test_laion_names_a_broken_line(tmp_path: Path) -> None:
    miniatures.laion(tmp_path)
    with (tmp_path / 'annotations' / 'v2_6.5plus.tsv').open('a') as table:
        table.write('1.jpg\tcut off\n')
    with pytest.raises(ValueError, match=r"line 10: .*got '1.jpg\\tcut off"):
        LAIONAestheticsDataset(split='val', data_root=str(tmp_path), val_size=2)


def test_sa_med2d_splits_its_keys(tmp_path: Path) -> None:
    names = miniatures.sa_med2d(tmp_path)
    options: Any = dict(data_root=str(tmp_path), val_size=3)
    val = SAMed2DDataset(split='val', **options)
    assert ids(val) == [names[0], names[3], names[6]]
    train = SAMed2DDataset(split='train', **options)
    assert ids(train) == [n for i, n in enumerate(names) if i not in (0, 3, 6)]


def test_sa_med2d_scans_once_and_again_after_a_change(
    tmp_path: Path, log: Records
) -> None:
    miniatures.sa_med2d(tmp_path / 'a')
    annotations = tmp_path / 'a' / 'annotations' / 'SAMed2D_v1.json'
    index = find_index(annotations)
    names = miniatures.sa_med2d(tmp_path / 'b', number=11)
    assert index.read_text().splitlines()[1:] == names
    written = index.stat().st_mtime_ns
    assert find_index(annotations).stat().st_mtime_ns == written
    assert len(log.texts()) == 1
    time = annotations.stat().st_mtime_ns + 1
    os.utime(annotations, ns=(time, time))
    assert str(time) in find_index(annotations).read_text()
    folder = sorted(path.name for path in annotations.parent.iterdir())
    assert folder == ['SAMed2D_v1.json', 'SAMed2D_v1.json.names']


def test_sa_med2d_beside_its_pictures_and_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = miniatures.sa_med2d(tmp_path / 'data')
    beside = tmp_path / 'data' / 'SAMed2D_v1.json'
    (tmp_path / 'data' / 'annotations' / 'SAMed2D_v1.json').rename(beside)
    # A folder in the way of the file stands for one that cannot be written.
    (tmp_path / 'data' / 'SAMed2D_v1.json.names' / 'x').mkdir(parents=True)
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    dataset = SAMed2DDataset(split='val', data_root='data', val_size=5)
    assert ids(dataset) == names[::2][:5]
    assert len(list((tmp_path / 'work_dirs' / 'indices').iterdir())) == 1


def test_sa_med2d_leaves_nothing_of_a_damaged_list(tmp_path: Path) -> None:
    miniatures.sa_med2d(tmp_path)
    annotations = tmp_path / 'annotations' / 'SAMed2D_v1.json'
    annotations.write_text(annotations.read_text()[:-20])
    with pytest.raises(ValueError, match='ends early'):
        SAMed2DDataset(split='val', data_root=str(tmp_path))
    assert list(annotations.parent.iterdir()) == [annotations]
