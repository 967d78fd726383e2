"""Batches are slices of one row, whatever the ranks; blocks cover it once."""

from itertools import islice

import numpy as np
import pytest

from vq.datasets import BlockSampler, TrainSampler
from vq.types import SampleKey


def _train(number: int, **options: int) -> list[list[SampleKey]]:
    sampler = TrainSampler(10, **{'batch_size': 4, 'seed': 3, **options})
    return list(islice(sampler, number))


def test_train_batches_are_slices_of_the_row_of_permutations() -> None:
    sampler = TrainSampler(10, batch_size=4, seed=3)
    row = [
        SampleKey(int(index), epoch, 3)
        for epoch in range(4)
        for index in sampler.permutation(epoch)
    ]
    assert _train(10) == [row[4 * i : 4 * i + 4] for i in range(10)]
    for epoch in range(4):
        assert sorted(sampler.permutation(epoch)) == list(range(10))
    assert len({tuple(sampler.permutation(epoch)) for epoch in range(4)}) == 4


def test_batch_may_be_longer_than_the_data_set() -> None:
    (batch,) = _train(1, batch_size=24)
    assert [key.epoch for key in batch] == [0] * 10 + [1] * 10 + [2] * 4


@pytest.mark.parametrize('world_size', [1, 2, 4])
def test_union_of_ranks_is_the_batch_of_one(world_size: int) -> None:
    ranks = [_train(9, rank=r, world_size=world_size) for r in range(world_size)]
    together = [sum(parts, []) for parts in zip(*ranks, strict=True)]
    assert together == _train(9)


@pytest.mark.parametrize('start', [0, 1, 7, 100])
def test_start_leaves_out_batches(start: int) -> None:
    assert _train(3, start=start) == _train(start + 3)[start:]
    assert _train(3, start=start, rank=1, world_size=2) == [
        batch[2:] for batch in _train(start + 3)[start:]
    ]


def test_far_start_costs_nothing() -> None:
    sampler = TrainSampler(1000, batch_size=8, seed=0, start=10**9)
    assert next(iter(sampler))[0].epoch == 8 * 10**9 // 1000


def test_seed_changes_the_order_and_is_in_the_keys() -> None:
    first, other = _train(2, seed=0), _train(2, seed=1)
    assert [k.index for k in first[0]] != [k.index for k in other[0]]
    assert {k.seed for batch in other for k in batch} == {1}


def test_shuffle_is_not_the_random_stream_of_sample_0() -> None:
    # numpy pads (seed, epoch) with zeros, to that of (seed, epoch, 0).
    shuffled = TrainSampler(10, batch_size=1, seed=3).permutation(2)
    assert (
        shuffled.tolist() != np.random.default_rng((3, 2, 0)).permutation(10).tolist()
    )


def test_uneven_share_names_valid_sizes() -> None:
    with pytest.raises(ValueError, match='batch_size 10 .*4 ranks; use 8 or 12'):
        TrainSampler(10, batch_size=10, world_size=4)
    with pytest.raises(ValueError, match='batch_size 2 .*4 ranks; use 4$'):
        TrainSampler(10, batch_size=2, world_size=4)


@pytest.mark.parametrize('name', ['length', 'batch_size', 'start', 'seed'])
def test_bad_numbers_are_shown(name: str) -> None:
    numbers = {'length': 5, 'batch_size': 2, 'start': 0, 'seed': 0, name: -1}
    with pytest.raises(ValueError, match=rf'{name}.*-1'):
        TrainSampler(numbers.pop('length'), **numbers)


@pytest.mark.parametrize('world_size', [1, 2, 3, 8])
@pytest.mark.parametrize(('length', 'batch_size'), [(23, 4), (20, 8), (3, 1), (0, 4)])
def test_blocks_cover_the_data_set_once(
    length: int, batch_size: int, world_size: int
) -> None:
    seen = []
    for rank in range(world_size):
        sampler = BlockSampler(
            length, batch_size=batch_size, block_size=5, rank=rank,
            world_size=world_size,
        )  # fmt: skip
        batches = list(sampler)
        assert len(batches) == len(sampler)
        for batch in batches:
            assert 1 <= len(batch) <= max(batch_size // world_size, 1)
            assert {key.index // 5 % world_size for key in batch} == {rank}
            assert len({key.index // 5 for key in batch}) == 1
        indices = [key.index for batch in batches for key in batch]
        assert indices == sorted(indices)
        seen += indices
    assert sorted(seen) == list(range(length))


def test_skipped_blocks_are_left_out_and_the_others_stay() -> None:
    def blocks(rank: int, skip: tuple[int, ...]) -> set[int]:
        sampler = BlockSampler(
            30, batch_size=4, block_size=5, rank=rank, world_size=2, skip=skip
        )
        return {key.index // 5 for batch in sampler for key in batch}

    assert (blocks(0, ()), blocks(1, ())) == ({0, 2, 4}, {1, 3, 5})
    assert (blocks(0, (0, 3, 4)), blocks(1, (0, 3, 4))) == ({2}, {1, 5})
