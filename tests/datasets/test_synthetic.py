"""Synthetic pictures depend on their index alone."""

import pytest
import torch

from vq.datasets import SyntheticDataset
from vq.registry import DATASETS
from vq.types import Sample


def test_pictures_are_fixed_by_their_index() -> None:
    short = SyntheticDataset(length=2, transforms=[], size=32)
    long = SyntheticDataset(length=9, transforms=[], size=32)
    assert torch.equal(short.read(1), long.read(1))
    assert not torch.equal(short.read(0), short.read(1))
    assert short.read(0).shape == (3, 32, 32)
    assert short.read(0).dtype == torch.uint8


def test_pictures_are_smooth_and_not_flat() -> None:
    image = SyntheticDataset(length=1, transforms=[], size=64).read(0).float()
    assert image.std() > 30
    assert image.diff(dim=-1).abs().mean() < 8


def test_it_takes_transforms_and_has_classes() -> None:
    transforms = [dict(type='Resize', size=8), dict(type='CenterCrop', size=8)]
    dataset = DATASETS.build(
        dict(
            type='SyntheticDataset', length=5, transforms=transforms, size=16,
            num_classes=3,
        )
    )  # fmt: skip
    samples = [dataset[i] for i in range(len(dataset))]
    assert all(isinstance(sample, Sample) for sample in samples)
    assert {tuple(sample.original_image.shape) for sample in samples} == {(3, 8, 8)}
    assert [sample.category for sample in samples] == [0, 1, 2, 0, 1]
    assert len({sample.id for sample in samples}) == 5
    assert len(dataset.categories) == 3


def test_bad_numbers_are_shown() -> None:
    with pytest.raises(ValueError, match='length must be at least 1, got 0'):
        SyntheticDataset(length=0, transforms=[])
