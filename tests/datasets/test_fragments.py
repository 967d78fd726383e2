"""The config fragments of data sets and augmentations build what they say."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from vq import dry_run
from vq.config import check, load
from vq.datasets import SyntheticDataset
from vq.registry import DATASETS
from vq.runners.base import build_dataset
from vq.types import Sample

BASE = Path(__file__).parents[2] / 'configs' / '_base_'
FLIP: dict[str, Any] = dict(type='RandomHorizontalFlip')
SIZE = '{{$image_size:256}}'
CENTRE = [dict(type='Resize', size=SIZE), dict(type='CenterCrop', size=SIZE)]
LIGHT = dict(type='ColorJitter', brightness=0.1, contrast=0.1, saturation=0.1)
RECIPES = {
    'anime': [*CENTRE, FLIP, LIGHT],
    'none': CENTRE,
    'weak': [dict(type='Resize', size=SIZE), dict(type='RandomCrop', size=SIZE), FLIP],
    'default': [dict(type='RandomResizedCrop', size=SIZE), FLIP],
    'strong': [dict(type='RandomResizedCrop', size=SIZE, scale=(0.8, 1.0)), FLIP],
}


def _read(path: Path) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(compile(path.read_text(), path, 'exec'), scope)
    assert ast.get_docstring(ast.parse(path.read_text()))
    return {name: scope[name] for name in ('train_dataset', 'val_dataset')}


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_are_the_reference_systems(name: str) -> None:
    fragments = _read(BASE / 'augment' / f'{name}.py')
    assert fragments['train_dataset'] == dict(transforms=RECIPES[name])
    assert fragments['val_dataset'] == dict(transforms=CENTRE)


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_build_and_give_square_images(name: str) -> None:
    for fragment in _read(BASE / 'augment' / f'{name}.py').values():
        transforms = [
            {k: 24 if v == SIZE else v for k, v in transform.items()}
            for transform in fragment['transforms']
        ]
        dataset = SyntheticDataset(length=2, size=20, transforms=transforms)
        sample = dataset[0]
        assert isinstance(sample, Sample)
        assert sample.original_image.shape == (3, 24, 24)
        assert sample.original_image.dtype == torch.uint8


@pytest.mark.parametrize('name', ['digits', 'photos', 'folder'])
def test_data_sets_name_their_folders(name: str) -> None:
    for split, fragment in _read(BASE / 'datasets' / f'{name}.py').items():
        kind = split.removesuffix('_dataset')
        root = f'{{{{${kind}_root}}}}' if name == 'folder' else f'data/{name}/{kind}'
        # What stands in for them in a dry run is cut to their size.
        size = dict(digits=32, photos=64).get(name)
        crop = dict(transforms=[dict(type='CenterCrop', size=size)]) if size else {}
        assert fragment == dict(type='FolderDataset', data_root=root, **crop)


ROOTS = dict(
    imagenet='data/imagenet',
    laion_aesthetics='data/laion/aesthetics',
    sa_med2d_20m='data/sa_med2d',
    satin='data/satin',
    coco_2014='data/coco',
    celeba_hq='data/celeba-hq-256',
    ffhq='data/ffhq-256',
)


@pytest.mark.parametrize('name', ROOTS)
def test_data_sets_of_the_field_name_split_and_root(name: str) -> None:
    for key, fragment in _read(BASE / 'datasets' / f'{name}.py').items():
        assert fragment['split'] == key.removesuffix('_dataset')
        assert fragment['data_root'] == ROOTS[name]
        config = dict(fragment, transforms=CENTRE)
        check(config)
        default = inspect.signature(DATASETS.find(config['type'])).parameters
        assert default['data_root'].default == ROOTS[name]


def test_faces_are_those_of_both_sets() -> None:
    faces, celeba_hq, ffhq = (
        _read(BASE / 'datasets' / f'{name}.py')
        for name in ('hq_faces', 'celeba_hq', 'ffhq')
    )
    for key, fragment in faces.items():
        parts = dict(celeba_hq=celeba_hq[key], ffhq=ffhq[key])
        assert fragment == dict(type='ConcatDataset', datasets=parts)
        check(dict(fragment, transforms=CENTRE))


@pytest.mark.parametrize('name', ['anime', 'csv', 'csv_split'])
def test_parted_and_tabled_sets_take_every_augmentation(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / 'experiment.py'
    bases = [str(BASE / 'augment' / 'anime.py'), str(BASE / 'datasets' / f'{name}.py')]
    path.write_text(f'_base_ = {bases}')
    config = load(path, options=dict(image_size=64))
    for half, transforms in ((config.trainer, 4), (config.validator, 2)):
        check(half.dataset)
        assert len(half.dataset.transforms) == transforms
        assert ('dataset' in half.dataset) == (name != 'csv')


def test_videos_are_clips_for_training_and_images_for_validation() -> None:
    config = load(BASE / 'datasets' / 'clips.py', options=dict(frames=4, stride=2))
    for half, frames in ((config.trainer, 4), (config.validator, 1)):
        check(half.dataset)
        assert half.dataset.frames == frames
    assert config.trainer.dataset.stride == 2


def test_nothing_of_a_face_is_cut_off() -> None:
    for fragment in _read(BASE / 'augment' / 'anime_pad.py').values():
        names = [transform['type'] for transform in fragment['transforms']]
        assert names[:2] == ['PadToSquare', 'Resize']
        assert names[2:] in ([], ['RandomHorizontalFlip', 'ColorJitter'])


def test_a_dry_run_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    for name in (*ROOTS, 'hq_faces', 'anime', 'csv', 'csv_split'):
        for fragment in _read(BASE / 'datasets' / f'{name}.py').values():
            fragment = _elsewhere(fragment)
            dataset = build_dataset(dict(fragment, transforms=[]))
            assert dataset.description == f'{dry_run.SAMPLES} synthetic pictures'


def _elsewhere(fragment: dict[str, Any]) -> dict[str, Any]:
    """Return a fragment whose data are surely not there."""
    if 'datasets' in fragment:
        parts = {n: _elsewhere(part) for n, part in fragment['datasets'].items()}
        return dict(fragment, datasets=parts)
    if 'dataset' in fragment:
        return dict(fragment, dataset=_elsewhere(fragment['dataset']))
    if 'csv' in fragment:
        return dict(fragment, csv='data/nowhere.csv', on_missing='raise')
    return dict(fragment, data_root='data/nowhere')
