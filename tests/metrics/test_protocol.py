"""Stamps say what differs, and mean the same wherever the pictures lie."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.datasets import miniatures
from tests.datasets.pictures import save_folder
from vq.datasets.base import ImageDataset
from vq.metrics.protocol import Protocol, data_protocol, hash_ids
from vq.registry import DATASETS

KNOWN = Protocol(
    dataset='ImageNet',
    split='val',
    number=50_000,
    ids='aa',
    crop='CenterCrop(size=256)',
    size='256x256',
    resizer='pytorch-fid',
    extractor='Inception',
    weights='bb',
    dtype='float32',
)
OTHER: dict[str, Any] = {
    field.name: 7 if field.name == 'number' else 'other'
    for field in dataclasses.fields(Protocol)
}
COMPARED = [name for name in OTHER if name != 'version']


@pytest.mark.parametrize('name', COMPARED)
def test_each_field_counts_where_both_know_it(name: str) -> None:
    other = dataclasses.replace(KNOWN, **{name: OTHER[name]})
    assert KNOWN.differences(other) == {name: (getattr(KNOWN, name), OTHER[name])}
    assert other.differences(KNOWN) == {name: (OTHER[name], getattr(KNOWN, name))}
    unknown = dataclasses.replace(KNOWN, **{name: None})
    assert unknown.unknown() == [name]
    assert other.differences(unknown) == unknown.differences(other) == {}


def test_equals_have_no_difference_whatever_wrote_them() -> None:
    other = dataclasses.replace(KNOWN, version='pytorch-fid 0.3.0')
    assert KNOWN.differences(other) == {}
    assert KNOWN.unknown() == []


def test_samples_may_be_fewer_than_what_they_are_compared_with() -> None:
    samples = Protocol(number=5000, extractor='Inception')
    assert samples.differences(KNOWN) == {}
    part = dataclasses.replace(KNOWN, number=5000, ids='cc')
    assert list(part.differences(KNOWN)) == ['number', 'ids']


def test_it_comes_back_from_json() -> None:
    for protocol in (KNOWN, Protocol(), Protocol(crop='', number=0)):
        text = json.dumps(protocol.to_dict())
        assert Protocol.from_dict(json.loads(text)) == protocol
    assert list(Protocol().to_dict()) == ['version']


def test_ids_are_hashed_whatever_their_order() -> None:
    names = ['b', 'a', 'ä/ö.png', 'torn\udcff']
    lines = b'a\nb\ntorn\xff\n\xc3\xa4/\xc3\xb6.png\n'
    expected = hashlib.sha256(lines).hexdigest()
    assert hash_ids(names) == hash_ids(reversed(names)) == expected
    assert len({hash_ids(names), hash_ids(names[1:]), hash_ids([*names, 'a'])}) == 3


LAYOUTS: dict[str, tuple[Callable[[Path], None], ...]] = dict(
    folders=(miniatures.imagenet_folders,),
    annotated=(miniatures.imagenet_annotated,),
    flat=(miniatures.imagenet_flat_val, miniatures.imagenet_solution),
)


def imagenet(root: Path, layout: str, split: str) -> ImageDataset:
    """Return a miniature ImageNet in one of its layouts."""
    root.mkdir()
    for make in LAYOUTS[layout]:
        make(root)
    config = dict(type='ImageNetDataset', split=split, data_root=str(root))
    dataset: ImageDataset = DATASETS.build(config)
    return dataset


@pytest.mark.parametrize('split', ['train', 'val'])
def test_imagenet_is_one_in_all_its_layouts(tmp_path: Path, split: str) -> None:
    layouts = list(LAYOUTS)[: 2 if split == 'train' else 3]
    found = [imagenet(tmp_path / name, name, split) for name in layouts]
    names = [f'ILSVRC2012_val_{i:08d}' for i in (1, 2, 3, 4)]
    if split == 'train':
        names = [f'{w}_{n}' for w in sorted(miniatures.LEAVES) for n in (117, 18, 2)]
    for dataset in found:
        ids = [dataset.canonical_id(index) for index in range(len(dataset))]
        assert sorted(ids) == sorted(names)
        assert data_protocol(dataset) == data_protocol(found[0])
    assert (found[0].name, found[0].split) == ('ImageNet', split)
    limited = DATASETS.build(
        dict(
            type='LimitedDataset',
            length=3,
            dataset=dict(
                type='ImageNetDataset',
                split=split,
                data_root=str(tmp_path / 'annotated'),
            ),
        )
    )
    differences = data_protocol(limited).differences(data_protocol(found[0]))
    assert list(differences) == ['number', 'ids']


def faces(root: Path) -> list[str]:
    """Write pictures for both data sets of faces."""
    names = ['1.png', '0.png']
    save_folder(root / 'val', names)
    return names


def satin(root: Path) -> list[str]:
    """Write one sub-set."""
    miniatures.satin_parquet(root, 'RS_C11', miniatures.satin_rows(20, seed=0))
    return ['RS_C11:0', 'RS_C11:10']


def flat(root: Path) -> list[str]:
    """Write pictures of no published set."""
    save_folder(root / 'val' / 'b', ['1.png'])
    return ['b/1.png']


# What is written, and for what config; dataset and split of the stamp.
DATA: dict[str, tuple[Callable[[Path], list[str]], dict[str, Any], str, str]] = {
    'CelebAHQDataset': (faces, {}, 'CelebAHQ', 'val'),
    'FFHQDataset': (faces, {}, 'FFHQ', 'val'),
    'COCODataset': (miniatures.coco, {}, 'COCO', 'val2014'),
    'LAIONAestheticsDataset': (
        miniatures.laion,
        dict(val_size=8),
        'LAIONAesthetics',
        'val',
    ),
    'SAMed2DDataset': (miniatures.sa_med2d, dict(val_size=5), 'SAMed2D', 'val'),
    'SATINDataset': (satin, dict(subsets=['RS_C11']), 'SATIN', 'val'),
    'FolderDataset': (flat, dict(transforms=[]), 'same/val', 'val'),
}


@pytest.mark.parametrize('type_', DATA)
def test_stamps_do_not_depend_on_the_place(type_: str, tmp_path: Path) -> None:
    make, options, name, split = DATA[type_]
    found = []
    for place in ('here', 'there'):
        root = tmp_path / place / 'same'
        root.mkdir(parents=True)
        names = make(root)
        config = dict(type=type_, split='val', data_root=str(root), **options)
        found.append((config, data_protocol(DATASETS.build(config))))
    (config, one), (_, other) = found
    assert one == other
    assert (one.dataset, one.split) == (name, split)
    ids = miniatures.ids(DATASETS.build(config))
    assert one.ids == hash_ids(ids)
    assert set(ids) <= set(names)

    both = DATASETS.build(
        dict(
            type='ConcatDataset',
            datasets=dict(a=config, b=config),
            transforms=[dict(type='Resize', size=8)],
        )
    )
    joined = data_protocol(both)
    assert (joined.dataset, joined.split) == (f'{name} + {name}', split)
    assert joined.ids == hash_ids(f'{part}:{id_}' for part in 'ab' for id_ in ids)
    assert joined.number == 2 * len(ids)


def test_the_crop_is_written_as_in_a_config() -> None:
    config = dict(
        type='SyntheticDataset',
        length=3,
        transforms=[
            dict(type='Resize', size=20),
            dict(size=16, type='CenterCrop'),
            dict(type='RandomResizedCrop', size=8, scale=(0.5, 1.0)),
            dict(type='RandomHorizontalFlip'),
        ],
    )
    assert data_protocol(DATASETS.build(config)) == Protocol(
        dataset='Synthetic',
        number=3,
        ids=hash_ids(['00000000', '00000001', '00000002']),
        crop='Resize(size=20) CenterCrop(size=16) '
        'RandomResizedCrop(scale=[0.5, 1.0], size=8) RandomHorizontalFlip()',
    )
