"""Positions are resized as timm does."""

import pytest
import torch
from timm.layers import resample_abs_pos_embed

from vq.models.teachers.positions import resize_positions


@pytest.mark.parametrize('size', [(4, 4), (2, 2), (7, 3)])
def test_as_timm(size: tuple[int, int]) -> None:
    positions = torch.randn(1 + 16, 6)
    expected = resample_abs_pos_embed(positions[None], list(size))[0]
    torch.testing.assert_close(resize_positions(positions, *size), expected)


def test_what_fits_stays_what_it_is() -> None:
    positions = torch.randn(1 + 9, 2)
    assert resize_positions(positions, 3, 3) is positions
    half = resize_positions(positions.half(), 2, 5)
    assert half.shape == (11, 2) and half.dtype == torch.float16
    assert torch.equal(half[0], positions[0].half())
