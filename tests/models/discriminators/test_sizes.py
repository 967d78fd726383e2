"""Channels by resolution: the published tables; sizes that there are not."""

import pytest
import torch

from vq.models.discriminators.sizes import check_size, widths


def table(image_size, full_side, max_dim=512):
    return widths(image_size, least_size=8, max_dim=max_dim, full_side=full_side)


def test_tables():
    stylegan2 = [32, 64, 128, 256, 512, 512, 512, 512, 512]
    assert table(1024, 64) == stylegan2
    assert table(256, 64) == stylegan2[2:]
    assert table(32, 64) == [512] * 4
    assert table(256, 32) == [64, 128, 256, 512, 512, 512, 512]
    assert table(256, 64, max_dim=9) == [2, 4, 9, 9, 9, 9, 9]


@pytest.mark.parametrize('image_size', [4, 0, -8, 24, 255])
def test_no_power_of_two(image_size):
    with pytest.raises(ValueError, match=f'power of two from 8 up, got {image_size}'):
        table(image_size, 64)


def test_no_channel_left():
    with pytest.raises(ValueError, match='max_dim must be >= 4 for 256 pixels, got 3'):
        table(256, 64, max_dim=3)


def test_image_of_another_size():
    check_size(torch.empty(1, 3, 8, 8), 8)
    with pytest.raises(ValueError, match='8 x 8 pixels .*, got 8 x 16'):
        check_size(torch.empty(1, 3, 8, 16), 8)
