"""Pixels: an exact inverse, grids cell by cell, files that read back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vq import images

GREYS = torch.arange(256, dtype=torch.uint8)


def test_every_grey_comes_back() -> None:
    assert torch.equal(images.to_uint8(images.normalize(GREYS)), GREYS)
    by_hand = GREYS.double() / 255 * 2 - 1
    assert torch.allclose(images.normalize(GREYS).double(), by_hand, atol=1e-7)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_pixels_are_clamped_and_rounded_not_truncated(dtype: torch.dtype) -> None:
    levels = torch.tensor([-7, -1, -0.999, 0, 0.0118, 1, 3], dtype=dtype)
    expected = ((levels.double() + 1) * 127.5).round().clamp(0, 255)
    assert images.to_uint8(levels).tolist() == expected.int().tolist()


@pytest.mark.parametrize('number', [1, 4, 5, 6])
def test_grid_equals_pasting_one_by_one(number: int) -> None:
    cells = torch.randint(0, 256, (number, 3, 2, 4), dtype=torch.uint8)
    rows = -(-number // 3)
    sheet = np.full((rows * 3 + 1, 3 * 5 + 1, 3), 9, np.uint8)
    for i, cell in enumerate(cells):
        top, left = i // 3 * 3 + 1, i % 3 * 5 + 1
        sheet[top : top + 2, left : left + 4] = np.moveaxis(cell.numpy(), 0, -1)
    # Missing cells are filled like the padding.
    found = images.grid(cells, columns=3, padding=1, fill=9)
    assert np.array_equal(np.moveaxis(found.numpy(), 0, -1), sheet)


def test_pictures_stand_side_by_side() -> None:
    parts = torch.randint(0, 256, (3, 4, 3, 2, 2), dtype=torch.uint8)
    expected = torch.cat([*parts], dim=3)
    assert torch.equal(images.side_by_side(*parts), expected)


def test_files_read_back_the_same(tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    path = tmp_path / 'deep' / 'x.png'
    images.save_png(image, path)
    found = np.array(Image.open(path))
    assert np.array_equal(found, np.moveaxis(image.numpy(), 0, -1))


def test_enlarging_repeats_pixels() -> None:
    picture = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    expected = [[0, 0, 1, 1, 2, 2]] * 2 + [[3, 3, 4, 4, 5, 5]] * 2
    assert images.enlarge(picture, 2)[0, 0].tolist() == expected


def test_clips_are_folded_frame_by_frame() -> None:
    clips = torch.from_numpy(
        np.random.default_rng(0).integers(256, size=(2, 3, 4, 5, 3), dtype=np.uint8)
    )
    folded = images.fold_clips(clips)
    for clip in range(2):
        for frame in range(3):
            expected = clips[clip, frame].permute(2, 0, 1)
            assert torch.equal(folded[3 * clip + frame], expected)
    assert torch.equal(images.unfold_clips(folded, frames=3), clips)
    scaled = images.normalize(folded)
    assert torch.allclose(scaled, folded / 255 * 2 - 1)
    assert (scaled.min() >= -1) and (scaled.max() <= 1)
