"""Samples of stored tokens: as written, and each crop as its key says."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.datasets.test_token_store import META
from tests.datasets.test_tokens import tokens_of, write
from vq.datasets import (
    ConcatDataset,
    LimitedDataset,
    MissingDataError,
    SyntheticDataset,
    TokenMeta,
    TokenOrigin,
    TokenSampleDataset,
    TrainSampler,
    UndecodedDataset,
    collate,
    train_loader,
)
from vq.types import Sample, SampleKey

CROPS = dataclasses.replace(META, crops=10)


def samples(root: Path, meta: TokenMeta = CROPS, **options: Any) -> TokenSampleDataset:
    """Write a store and return its samples."""
    write(root, meta)
    return TokenSampleDataset(root=str(root), **options)


def expected(key: SampleKey, meta: TokenMeta) -> Tensor:
    """Return the tokens that a key means."""
    values = tokens_of(torch.tensor([key.index]), meta)[0]
    rng = np.random.default_rng((key.seed, key.epoch, key.index))
    return values[rng.integers(meta.crops)] if meta.crops > 1 else values


@pytest.mark.parametrize('token_sizes', [(512,), (16, 8, 2)])
@pytest.mark.parametrize('crops', [1, 10])
def test_crops_are_drawn_by_seed_epoch_and_index(
    tmp_path: Path, crops: int, token_sizes: tuple[int, ...]
) -> None:
    meta = dataclasses.replace(META, crops=crops, token_sizes=token_sizes)
    dataset = samples(tmp_path, meta)
    for key in [SampleKey(i, epoch, 5) for i in range(10) for epoch in range(3)]:
        sample = dataset[key]
        assert isinstance(sample, Sample) and sample.tokens is not None
        assert torch.equal(sample.tokens, expected(key, meta))
        assert sample.original_image.shape == (3, 0, 0)
        assert (sample.category, sample.id) == (10 * key.index, f'{key.index}.png')
    assert dataset.token_origins == [TokenOrigin.of(tmp_path, meta)]


@pytest.mark.parametrize('workers', [0, 2])
def test_workers_do_not_change_the_crops(tmp_path: Path, workers: int) -> None:
    dataset = samples(tmp_path)
    loader = iter(train_loader(dataset, batch_size=4, num_workers=workers, seed=3))
    keys = iter(TrainSampler(10, batch_size=4, seed=3))
    for _ in range(4):  # into the second epoch
        batch, wanted = next(loader), [expected(key, CROPS) for key in next(keys)]
        assert batch.tokens is not None and len(batch) == 4
        assert torch.equal(batch.tokens, torch.stack(wanted))


@pytest.mark.parametrize('crop', [0, 7])
def test_validation_takes_one_crop(tmp_path: Path, crop: int) -> None:
    dataset = samples(tmp_path, crop=crop)
    batch = collate([dataset[SampleKey(i, 2, 3)] for i in range(10)])
    assert batch.tokens is not None
    assert torch.equal(batch.tokens, tokens_of(torch.arange(10), CROPS)[:, crop])


@pytest.mark.parametrize('crop', [-1, 10])
def test_a_crop_that_is_not_there_is_refused(tmp_path: Path, crop: int) -> None:
    with pytest.raises(ValueError, match=rf'in \[0, 10\).*{tmp_path}.*got {crop}'):
        samples(tmp_path, crop=crop)


def test_parts_of_other_data_sets_keep_their_tokens(tmp_path: Path) -> None:
    dataset = samples(tmp_path)
    config = dict(type='TokenSampleDataset', root=str(tmp_path))
    limited = LimitedDataset(dataset=config, length=3)
    joined = ConcatDataset(datasets=dict(one=config, two=config))
    key = SampleKey(2, 1, 4)
    for other, same in ((limited, key), (joined, key)):
        sample, direct = other[same], dataset[key]
        assert isinstance(sample, Sample) and isinstance(direct, Sample)
        assert sample.tokens is not None and direct.tokens is not None
        assert torch.equal(sample.tokens, direct.tokens)
    assert limited.token_origins == dataset.token_origins
    assert joined.token_origins == [*dataset.token_origins] * 2


def test_images_and_tokens_are_no_batch(tmp_path: Path) -> None:
    dataset = samples(tmp_path)
    one = dataset[0]
    assert isinstance(one, Sample) and one.tokens is not None
    other = dataclasses.replace(one, id='other', tokens=one.tokens[:1])
    with pytest.raises(ValueError, match=r'0.png has \(2, 3\), other has \(1, 3\)'):
        collate([one, other])
    image = SyntheticDataset(length=1, size=8, transforms=[])[0]
    with pytest.raises(ValueError, match='differ in size'):
        collate([one, image])
    with pytest.raises(ValueError, match='holds tokens alone'):
        _ = collate([one]).image


def test_several_crops_are_not_decoded(tmp_path: Path) -> None:
    write(tmp_path, CROPS)
    with pytest.raises(ValueError, match=f'{tmp_path} holds 10 crops of each image'):
        UndecodedDataset(data_root=str(tmp_path))


def test_a_missing_store_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match='no token store'):
        TokenSampleDataset(root=str(tmp_path))
