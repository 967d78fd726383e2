"""Random states: taken and put back, of every generator and rank."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.ranks import run_ranks
from vq import distributed
from vq.runners import randomness

Numbers = tuple[float, float, float, float, float]


def draw() -> Numbers:
    """Draw from every generator; gauss and normal keep a second number back."""
    return (
        random.random(),
        random.gauss(0, 1),
        float(np.random.rand()),
        float(np.random.normal()),
        float(torch.rand(())),
    )


@pytest.mark.parametrize('before', range(3))
def test_a_state_from_a_file_gives_the_same_numbers(
    tmp_path: Path, before: int
) -> None:
    randomness.seed_all(5)
    for _ in range(before):
        draw()
    torch.save(randomness.get_state(), tmp_path / 'x.pth')
    expected = [draw() for _ in range(3)]
    randomness.seed_all(6)
    randomness.set_state(torch.load(tmp_path / 'x.pth', weights_only=True))
    assert [draw() for _ in range(3)] == expected


def test_a_seed_sets_every_generator() -> None:
    randomness.seed_all(2**32 + 7)
    one = draw()
    randomness.seed_all(2**32 + 7)
    assert draw() == one
    randomness.seed_all(8)
    assert all(a != b for a, b in zip(draw(), one, strict=True))


def resumed() -> tuple[Numbers, Numbers]:
    """Return what this rank draws after taking its state, and after putting it back."""
    randomness.seed_all(3 + distributed.rank())
    states = distributed.gather(randomness.get_state())
    expected = draw()
    randomness.seed_all(0)
    randomness.set_state(states[distributed.rank()])
    return expected, draw()


def test_each_rank_gets_its_own_back() -> None:
    (one, again), (other, other_again) = run_ranks(resumed, 2)
    assert (one, other) == (again, other_again)
    assert one != other
