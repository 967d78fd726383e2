"""Sums, means, flags and words over ranks, against plain Python."""

from typing import Any

import pytest
import torch

from tests.ranks import run_ranks
from vq import distributed


def everything() -> dict[str, Any]:
    """Return what each function gives on this rank."""
    rank = distributed.rank()
    value = torch.tensor([rank + 1.0, 10.0], dtype=torch.float64)
    kept = value.clone()
    result = dict(
        sum=distributed.sum_(value).tolist(),
        max=distributed.max_(value).tolist(),
        mean=distributed.mean(value).tolist(),
        any=[distributed.any_(flag) for flag in (rank == 1, False, True)],
        broadcast=distributed.broadcast({'rank': rank}),
        from_main=distributed.from_main(torch.tensor([rank + 0.5])).tolist(),
        gather=distributed.gather(f'rank {rank}'),
        main=distributed.is_main(),
    )
    distributed.barrier()
    assert torch.equal(value, kept)
    return result


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_all_ranks_get_what_plain_python_gets(world_size: int) -> None:
    values = [rank + 1.0 for rank in range(world_size)]
    for rank, result in enumerate(run_ranks(everything, world_size)):
        assert result == dict(
            sum=[sum(values), 10.0 * world_size],
            max=[max(values), 10.0],
            mean=[pytest.approx(sum(values) / world_size), 10.0],
            any=[world_size > 1, False, True],
            broadcast={'rank': 0},
            from_main=[0.5],
            gather=[f'rank {i}' for i in range(world_size)],
            main=rank == 0,
        )


def test_without_a_group_there_is_one_rank() -> None:
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert everything()['gather'] == ['rank 0']
    with distributed.process_group():
        assert not distributed.is_initialized()


def test_the_device_is_what_its_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEVICE', 'cpu')
    assert distributed.device() == torch.device('cpu')
    monkeypatch.setenv('DEVICE', 'cuda')
    monkeypatch.setenv('LOCAL_RANK', '3')
    assert distributed.device() == torch.device('cuda', 3)
    monkeypatch.delenv('DEVICE')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert distributed.device() == torch.device('cpu')


def test_whole_tensors_are_left_alone_and_copies_are_copies() -> None:
    value = torch.ones(3)
    assert distributed.whole(value) is value
    copy = distributed.like(value, torch.zeros(1))
    copy.add_(1)
    assert value.tolist() == [1, 1, 1] and copy.tolist() == [2, 2, 2]
