"""Only images that were tokenized are taken for those of a store."""

from pathlib import Path

import numpy as np
import pytest

from tests.log import Records
from tests.patches.painting import NoiseDataset, tokenize
from vq.datasets import TokenDataset
from vq.datasets.limited import LimitedDataset
from vq.patches.reading import Enlarge
from vq.patches.sources import check_ids, check_same_data, use_transforms

RESIZE = [dict(type='Resize', size=6), dict(type='CenterCrop', size=4)]
NOISE = dict(type='NoiseDataset', length=10, height=8, width=12, transforms=RESIZE)


@pytest.fixture
def store(tmp_path: Path) -> TokenDataset:
    return tokenize(tmp_path, NOISE, patch=(2, 2))


def noise(length: int = 10) -> NoiseDataset:
    return NoiseDataset(length=length, height=8, width=12)


def test_other_numbers_and_names_are_refused(store: TokenDataset) -> None:
    check_same_data(store, noise())
    with pytest.raises(ValueError, match='images: 10 in the store, 9 .* pass --train'):
        check_same_data(store, noise(9))
    other = noise()
    other.description = 'data/other'
    with pytest.raises(ValueError, match="store, 'data/other' in the config; pass"):
        check_same_data(store, other)


def test_other_ids_are_refused(
    store: TokenDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.array([0, 3, 4, 9])
    check_ids(store, noise(), images)
    monkeypatch.setattr(NoiseDataset, 'id', lambda _, i: f'{i + i // 9}.png')
    check_ids(store, noise(), images[:3])
    match = r"image 9 is '9\.png' in .* and '10\.png' in the data set: files have"
    with pytest.raises(ValueError, match=match):
        check_ids(store, noise(), images)


def test_the_transforms_are_those_of_the_store(
    store: TokenDataset, log: Records
) -> None:
    expected = NoiseDataset(length=10, height=8, width=12, transforms=RESIZE)
    dataset = noise()
    assert use_transforms(dataset, store, scale=1) == 1
    assert (dataset[7].original_image == expected[7].original_image).all()
    assert use_transforms(dataset, store, scale=3) == 1
    assert isinstance(dataset.transforms[0], Enlarge)
    assert dataset[7].original_image.shape == (3, 12, 12)
    store.meta.transforms.append(dict(type='RandomHorizontalFlip'))
    assert use_transforms(dataset, store, scale=3) == 3
    assert dataset[7].original_image.shape == (3, 4, 4)
    assert 'transforms: Resize, CenterCrop, RandomHorizontalFlip' in log.texts()[-1]


def test_those_inside_a_limited_data_set_too(store: TokenDataset) -> None:
    inner = {k: v for k, v in NOISE.items() if k != 'transforms'}
    limited = LimitedDataset(dataset=inner, length=10)
    use_transforms(limited, store, scale=1)
    assert limited[7].original_image.shape == (3, 4, 4)
