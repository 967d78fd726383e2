"""The helper that starts ranks: values, order, failures."""

import os

import pytest
import torch
from torch import Tensor

from tests.ranks import run_ranks
from vq import distributed


def rank_sum(value: float) -> tuple[int, int, Tensor]:
    total = distributed.sum_(torch.tensor(value * (distributed.rank() + 1)))
    return distributed.rank(), distributed.world_size(), total


def fail_on_last() -> None:
    if distributed.rank() == 1:
        raise ValueError('no codes')
    distributed.barrier()


def die() -> None:
    os._exit(3)


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_every_rank_sees_the_sum(world_size: int) -> None:
    expected = 2.0 * sum(range(1, world_size + 1))
    results = run_ranks(rank_sum, world_size, 2.0)
    assert [rank for rank, *_ in results] == list(range(world_size))
    assert all(size == world_size for _, size, _ in results)
    assert all(total == expected for *_, total in results)


def test_the_error_of_a_rank_is_raised_and_the_others_are_ended() -> None:
    with pytest.raises(RuntimeError, match='no codes'):
        run_ranks(fail_on_last, 2, timeout=60)


def test_a_dead_rank_is_named() -> None:
    with pytest.raises(RuntimeError, match='rank 0 died'):
        run_ranks(die, 1)


def read_variable() -> str | None:
    return os.environ.get('VQ_TEST_VARIABLE')


def test_ranks_see_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('VQ_TEST_VARIABLE', 'set')
    assert run_ranks(read_variable, 1) == ['set']
    monkeypatch.delenv('VQ_TEST_VARIABLE')
    assert run_ranks(read_variable, 1) == [None]
