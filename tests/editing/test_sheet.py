"""Sheets and GIFs: pictures are in them as they are, captions below."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vq.editing import sheet
from vq.editing.maps import colour, coloured, holes, spotlight
from vq.editing.sheet import GAP, LEADING, TITLE, Cell, Row, draw, save_gif, save_sheet

TOP = round(TITLE * LEADING) + 2 * GAP  # of the first picture below a title


def picture(side: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (3, side, side)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert('RGB')).transpose(2, 0, 1)


def test_pictures_are_in_the_sheet_enlarged_by_a_whole_factor(tmp_path: Path) -> None:
    cells = [Cell(image=picture(32, seed), caption='a cat') for seed in range(2)]
    save_sheet([Row(title='pictures', cells=cells)], tmp_path / 'x.png')
    found = pixels(Image.open(tmp_path / 'x.png'))
    for i, cell in enumerate(cells):  # 32 px become 192
        left = GAP + i * (192 + GAP)
        shown = found[:, TOP : TOP + 192 : 6, left : left + 192 : 6]
        assert np.array_equal(shown, cell.image.numpy())
    assert (found[:, TOP + 192 :] < 128).any()  # letters
    assert [path.name for path in tmp_path.iterdir()] == ['x.png']


def test_rows_go_on_below_and_large_pictures_are_shrunk() -> None:
    row = Row(title='', cells=[Cell(image=picture(32))] * 9)
    assert draw([row], side=32).size == (8 * (32 + GAP) + GAP, 2 * (32 + GAP) + GAP)
    large = Row(title='', cells=[Cell(image=picture(576))])
    assert draw([large]).size == (288 + 2 * GAP, 288 + 2 * GAP)


def test_outlines_follow_the_border_of_a_mask() -> None:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1:3] = True
    plain, lined = (
        pixels(draw([Row(title='', cells=[Cell(image=picture(32) * 0, outline=m)])]))
        for m in (None, mask)
    )
    y, x = np.nonzero((plain != lined).any(0))
    side, start = 192 // 4, GAP
    assert {y.min(), x.min()} <= {start + side - 1, start + side}
    assert {y.max(), x.max()} <= {start + 3 * side, start + 3 * side + 1}
    within = slice(start + side + 3, start + 3 * side - 3)
    assert not (plain != lined)[:, within, within].any()


def test_a_gif_goes_there_and_back(tmp_path: Path) -> None:
    flat = [torch.full((3, 32, 32), value, dtype=torch.uint8) for value in (0, 90, 200)]
    frames = [[Row(title='', cells=[Cell(image=image)])] for image in flat]
    save_gif(frames, tmp_path / 'x.gif')
    with Image.open(tmp_path / 'x.gif') as gif:
        shown, durations = [], []
        for number in range(gif.n_frames):
            gif.seek(number)
            shown.append(int(pixels(gif)[0, GAP + 5, GAP + 5]))
            durations.append(gif.info['duration'])
    assert shown == [0, 90, 200, 90]
    assert durations == [sheet.REST, sheet.FRAME, sheet.REST, sheet.FRAME]


@pytest.mark.parametrize('width', [20, 60, 200])
def test_captions_are_broken_where_they_fit(width: int) -> None:
    font = sheet.ImageFont.load_default(14)
    code = ','.join(map(str, range(40)))  # of 40 sub-tokens
    lines = sheet._wrapped(f'cat with code {code}: 2 times', font, width)
    assert ''.join(lines).replace(' ', '') == f'catwithcode{code}:2times'
    assert all(font.getlength(line) <= width for line in lines)
    for first, second in pairwise(lines):  # none had room for more
        assert font.getlength(f'{first} {second}') > width
    text = 'cat with the region of temple'
    assert ' '.join(sheet._wrapped(text, font, 60)) == text


def test_maps_give_each_position_its_code() -> None:
    tokens = torch.tensor([[5, 9], [9, 5]])
    shown = coloured(tokens, (4, 6))
    for y in range(4):
        for x in range(6):
            code = int(tokens[y // 2, x // 3])
            assert shown[:, y, x].tolist() == [*colour(code)]
    image = picture(4)
    mask = tokens == 5
    for function, changed in ((holes, mask), (spotlight, ~mask)):
        found = function(image, mask)
        large = changed.repeat_interleave(2, 0).repeat_interleave(2, 1)
        assert torch.equal(found[:, ~large], image[:, ~large])
        dark = torch.full_like(image, 128) if function is holes else image // 4
        assert torch.equal(found[:, large], dark[:, large])
