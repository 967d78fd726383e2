"""Boxes of tokens."""

import pytest
import torch

from vq.generation.regions import Box, inside


def test_boxes_are_pythons_slices() -> None:
    expected = torch.zeros(5, 7, dtype=torch.bool)
    expected[1:3, 2:7] = True
    expected[0:2, 0:1] = True
    assert torch.equal(inside([Box(1, 2, 3, 7), Box(0, 0, 2, 1)], (5, 7)), expected)


@pytest.mark.parametrize(
    'box', [(-1, 0, 2, 2), (0, 0, 6, 2), (0, 0, 5, 8), (2, 0, 2, 1), (0, 3, 1, 2)]
)
def test_a_box_outside_of_the_grid_is_refused(box: tuple[int, ...]) -> None:
    words = ' '.join(map(str, box))
    with pytest.raises(ValueError, match=f'box {words} .* 5 x 7 tokens .* <= 7'):
        inside([Box(*box)], (5, 7))
