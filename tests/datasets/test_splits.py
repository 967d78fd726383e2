"""Splits cover a list once, and are those of the reference system."""

from typing import Any

import numpy as np
import pytest

from vq.datasets.splits import StrideSplit, check_split, tail_split


@pytest.mark.parametrize('seed', range(40))
def test_strides_cover_everything_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    number = int(rng.integers(2, 400))
    val_size = int(rng.integers(1, number // 2 + 1))
    split = StrideSplit(number, val_size)
    val = [split.row('val', i) for i in range(split.length('val'))]
    train = [split.row('train', i) for i in range(split.length('train'))]
    assert val == list(range(number))[:: number // val_size][:val_size]
    assert train == [row for row in range(number) if row not in set(val)]  # in order
    assert [row for row in range(number) if split.holds('val', row)] == val
    assert [row for row in range(number) if split.holds('train', row)] == train


def test_the_reference_systems_numbers() -> None:
    split = StrideSplit(3_772_180, 25_000)
    assert split.stride == 150
    assert [split.row('val', i) for i in (0, 1, 24_999)] == [0, 150, 3_749_850]
    assert [split.row('train', i) for i in (0, 148, 149)] == [1, 149, 151]
    assert split.row('train', split.length('train') - 1) == 3_772_179


@pytest.mark.parametrize(('number', 'val_size'), [(10, 0), (10, 6), (1, 1), (0, 1)])
def test_a_split_leaves_some_for_training(number: int, val_size: int) -> None:
    with pytest.raises(ValueError, match=rf'val_size must be in .*got {val_size}'):
        StrideSplit(number, val_size)


def test_a_tail_is_what_slicing_gives() -> None:
    names = [str(i) for i in range(20)]
    for val_size in (1, 7, 19):
        val = list(tail_split(iter(names), 'val', val_size=val_size))
        assert val == names[: -val_size - 1 : -1]
        train = list(tail_split(iter(names), 'train', val_size=val_size))
        assert train == names[:-val_size]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_tail_shorter_than_asked_is_refused(split: Any) -> None:
    with pytest.raises(ValueError, match='val_size is 3, but there are 3 images'):
        list(tail_split(iter('abc'), split, val_size=3))
    with pytest.raises(ValueError, match='at least 1, got 0'):
        list(tail_split(iter('abc'), split, val_size=0))


def test_other_splits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\('train', 'val'\), got 'test'"):
        check_split('test')
