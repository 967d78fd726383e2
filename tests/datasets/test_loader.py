"""Loaders: the same batches for any number of workers and ranks, no side effects."""

import gc
import random
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from tests.datasets.test_base import Numbers
from tests.ranks import run_ranks
from vq.datasets import SyntheticDataset, collate, train_loader, val_loader
from vq.types import SampleKey

CROP = [
    dict(type='RandomResizedCrop', size=8),
    dict(type='RandomHorizontalFlip'),
]
Row = tuple[list[str], list[int], list[Any]]


def _dataset() -> SyntheticDataset:
    return SyntheticDataset(length=10, transforms=CROP, size=12)


def _rows(batches: Any) -> list[Row]:
    return [(b.ids, b.category.tolist(), b.original_image.tolist()) for b in batches]


def _train(number: int, *, num_workers: int = 0, start: int = 0) -> list[Row]:
    loader = train_loader(
        _dataset(), batch_size=4, num_workers=num_workers, seed=5, start=start
    )
    return _rows(islice(loader, number))


def test_batches_are_those_of_the_sampler_read_by_hand() -> None:
    dataset = _dataset()
    loader = train_loader(dataset, batch_size=4, num_workers=0, seed=5)
    keys = islice(iter(loader.batch_sampler or ()), 6)
    expected = [collate([dataset[key] for key in batch]) for batch in keys]
    assert _train(6) == _rows(expected)


def test_workers_change_nothing() -> None:
    assert _train(6, num_workers=2) == _train(6)
    loaders = [
        val_loader(_dataset(), batch_size=3, num_workers=n, block_size=5)
        for n in (0, 2)
    ]
    assert _rows(loaders[0]) == _rows(loaders[1])
    assert _rows(loaders[1]) == _rows(loaders[1])  # a second pass, same workers


def test_resume_equals_no_interruption_and_reads_nothing_before() -> None:
    assert _train(3, start=4) == _train(7)[4:]
    dataset = Numbers(10)
    loader = train_loader(dataset, batch_size=4, num_workers=0, seed=5, start=1000)
    batch = next(iter(loader))
    assert dataset.reads == batch.index.tolist()


def _rank(number: int) -> list[Row]:
    return _train(number)


def test_union_over_ranks_is_the_batch_of_one_rank() -> None:
    ranks = run_ranks(_rank, 2, 4)
    together = [
        tuple(sum(parts, []) for parts in zip(*rows, strict=True))
        for rows in zip(*ranks, strict=True)
    ]
    assert together == _train(4)


def _uneven(batch_size: int) -> str:
    try:
        train_loader(_dataset(), batch_size=batch_size, num_workers=0, seed=0)
    except ValueError as error:
        return str(error)
    return ''


def test_uneven_share_is_refused_on_every_rank() -> None:
    first, second = run_ranks(_uneven, 2, 5)
    assert 'batch_size 5' in first and '2 ranks; use 4 or 6' in first
    assert first == second


@pytest.mark.parametrize('num_workers', [0, 2])
def test_global_random_numbers_are_left_alone(num_workers: int) -> None:
    np.random.seed(0)  # noqa: NPY002
    before = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state())
    _train(2, num_workers=num_workers)
    list(val_loader(_dataset(), batch_size=4, num_workers=num_workers, block_size=5))
    after = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state())
    assert str(before) == str(after)


def test_validation_covers_all_but_the_skipped_blocks() -> None:
    loader = val_loader(
        Numbers(23), batch_size=4, num_workers=0, block_size=5, skip=[1, 3]
    )
    seen = [int(i) for batch in loader for i in batch.index]
    assert seen == [*range(5), *range(10, 15), *range(20, 23)]
    assert len(loader) == len(list(loader))


def test_validation_has_one_fixed_key_a_sample() -> None:
    loader = val_loader(_dataset(), batch_size=4, num_workers=0, block_size=5)
    assert next(iter(loader.batch_sampler or ()))[1] == SampleKey(1, 0, 0)


def test_unreadable_images_reach_the_main_process() -> None:
    dataset = Numbers(6, on_error='skip', broken=[1, 4])
    loader = val_loader(dataset, batch_size=3, num_workers=2, block_size=3)
    batches = list(loader)
    assert [batch.ids for batch in batches] == [['0.png', '2.png'], ['3.png', '5.png']]
    assert [b.unreadable for b in batches] == [
        ['1.png: truncated'],
        ['4.png: truncated'],
    ]


def test_error_of_a_worker_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # How long torch waits, after an error, before it ends a worker.
    monkeypatch.setattr('torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL', 0.2)
    loader = val_loader(
        Numbers(4, broken=[2]), batch_size=4, num_workers=1, block_size=4
    )
    with pytest.raises(OSError, match='2.png.*truncated'):
        list(loader)
    gc.collect()
