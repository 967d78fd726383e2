"""The config fragments of data sets and augmentations build what they say."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch

from vq.datasets import SyntheticDataset
from vq.types import Sample

BASE = Path(__file__).parents[2] / 'configs' / '_base_'
FLIP: dict[str, Any] = dict(type='RandomHorizontalFlip')
SIZE = '{{$image_size:256}}'
CENTRE = [dict(type='Resize', size=SIZE), dict(type='CenterCrop', size=SIZE)]
RECIPES = {
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


@pytest.mark.parametrize('name', ['imagenet', 'digits', 'photos', 'folder'])
def test_data_sets_name_their_folders(name: str) -> None:
    for split, fragment in _read(BASE / 'datasets' / f'{name}.py').items():
        kind = split.removesuffix('_dataset')
        root = f'{{{{${kind}_root}}}}' if name == 'folder' else f'data/{name}/{kind}'
        assert fragment == dict(type='FolderDataset', data_root=root)
