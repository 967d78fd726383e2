"""Draws: names, random numbers and classes, and which tokens are kept."""

import pytest
import torch

from vq.generation.draws import between, by_class, first_rows, only, outside
from vq.generation.regions import Box


def test_classes_are_taken_in_turn() -> None:
    draws = by_class([207, 360, 5], 5)
    assert [(d.name, d.index, d.category) for d in draws] == [
        ('207/000000', 0, 207),
        ('360/000001', 1, 360),
        ('5/000002', 2, 5),
        ('207/000003', 3, 207),
        ('360/000004', 4, 360),
    ]


def test_a_way_has_both_ends_and_one_set_of_random_numbers() -> None:
    draws = between(1, 4, steps=3, number=2)
    assert [(d.index, d.share) for d in draws] == [
        (i, share) for i in (0, 1) for share in (0.0, 0.5, 1.0)
    ]
    assert {(d.category, d.towards) for d in draws} == {(1, 4)}
    assert draws[-1].name == '1_to_4/000001/02'
    with pytest.raises(ValueError, match='2 steps or more, got 1'):
        between(1, 4, steps=1, number=2)


def test_which_tokens_are_kept() -> None:
    assert first_rows((3, 2), 1).tolist() == [[True] * 2, [False] * 2, [False] * 2]
    kept = [[True, True, True], [True, False, False]]
    assert outside((2, 3), Box(1, 1, 2, 3)).tolist() == kept
    tokens = torch.arange(12).view(2, 3, 2)  # of two sub-tokens
    known = only(tokens, torch.tensor(kept))
    assert known.flatten(1).tolist() == [[*range(6)], [6, 7, -1, -1, -1, -1]]


@pytest.mark.parametrize('rows', [0, 3])
def test_all_rows_or_none_are_refused(rows: int) -> None:
    with pytest.raises(ValueError, match=rf'--rows must be in \[1, 2\], got {rows}'):
        first_rows((3, 2), rows)


@pytest.mark.parametrize('box', [(-1, 0, 1, 1), (0, 0, 0, 1), (2, 0, 4, 1)])
def test_a_box_beyond_the_grid_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match='does not lie in the 3 x 2 tokens'):
        outside((3, 2), Box(*box))
