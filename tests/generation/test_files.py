"""Pictures, the sheet, the .npz and the record, as others read them."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vq.datasets.npz import NpzDataset
from vq.generation import pictures, sheet
from vq.generation.npz import write_npz
from vq.generation.record import check_record, write_record


def random_images(number: int, *, height: int = 6, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (number, 3, height, width)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def written(folder: Path, images: Tensor) -> list[Path]:
    """Write pictures as 0.png, 1.png ..."""
    files = [folder / f'{i}.png' for i in range(len(images))]
    with pictures.PictureWriter() as writer:
        for file, image in zip(files, images, strict=True):
            writer.add({file: image})
    return files


def test_pictures_are_what_pillow_reads_and_nothing_else_is_there(
    tmp_path: Path,
) -> None:
    images = random_images(3)
    files = written(tmp_path, images)
    for file, image in zip(files, images, strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), image.permute(1, 2, 0))
        assert torch.equal(pictures.read(file), image)
    assert sorted(tmp_path.iterdir()) == files


def test_missing_and_torn_pictures_are_not_good(tmp_path: Path) -> None:
    (file,) = written(tmp_path, random_images(1, height=32))
    good = file.read_bytes()
    assert pictures.is_good(file) and not pictures.is_good(tmp_path / 'x.png')
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    short = good[:11] + b'\x0c' + good[12:]  # says the length of its first part
    for bad in (b'', good[:40], good[: len(good) // 2], bytes(flipped), short):
        file.write_bytes(bad)
        assert not pictures.is_good(file)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError), pictures.PictureWriter() as writer:
        writer.add({tmp_path / 'file' / '0.png': random_images(1)[0]})


def test_the_npz_is_numpys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('vq.generation.npz.CHUNK', 2)
    images = random_images(5)
    path = tmp_path / 'v1.0.npz'
    write_npz(path, written(tmp_path / 'in', images), [3, 1, 4, 1, 5])
    with np.load(path) as arrays:
        assert sorted(arrays) == ['arr_0', 'arr_1']
        assert arrays['arr_0'].dtype == np.uint8
        assert np.array_equal(arrays['arr_0'], images.permute(0, 2, 3, 1))
        assert arrays['arr_1'].dtype == np.int64
        assert arrays['arr_1'].tolist() == [3, 1, 4, 1, 5]
    dataset = NpzDataset(data_root=str(path))
    assert isinstance(dataset._images, np.memmap)
    assert torch.equal(dataset.read(4), images[4])
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ['v1.0.npz']


def test_a_row_of_the_sheet_is_a_folder() -> None:
    names = ['7/0', '2/1', '7/2', '2/3', '7/4']
    assert sheet.rows_of(names) == [['7/0', '7/2', '7/4'], ['2/1', '2/3']]
    many = sheet.rows_of(f'{i % 20}/{i}' for i in range(400))
    assert (len(many), len(many[0])) == (sheet.ROWS, sheet.COLUMNS)
    alone = sheet.rows_of(f'{i}/{i}' for i in range(10))
    assert [len(row) for row in alone] == [8, 2]


def test_the_sheet_shows_the_pictures(tmp_path: Path) -> None:
    images = random_images(3, height=32, width=32)
    for name, image in zip(['a/0', 'a/1', 'b/2'], images, strict=True):
        pictures.write(image, pictures.path_of(tmp_path, name))
    sheet.write_sheet(tmp_path / 'x.png', tmp_path, ['a/0', 'a/1', 'b/2'])
    shown = pictures.read(tmp_path / 'x.png')
    assert shown.shape == (3, 2 * 66 + 2, 2 * 66 + 2)  # twice as large, 2 px between
    assert torch.equal(shown[:, 2:66:2, 2:66:2], images[0])
    assert torch.equal(shown[:, 2:66:2, 68:132:2], images[1])
    assert torch.equal(shown[:, 68:132:2, 2:66:2], images[2])
    assert (shown[:, 68:, 68:] == 255).all()
    pictures.write(random_images(1, height=512, width=512)[0], tmp_path / 'c' / '0.png')
    sheet.write_sheet(tmp_path / 'x.png', tmp_path, ['c/0'])
    assert pictures.read(tmp_path / 'x.png').shape == (3, 260, 260)


def test_a_record_lets_only_the_number_grow(tmp_path: Path) -> None:
    folder = tmp_path / 'v1.0'
    settings = dict(classes=[*range(1000)], grid=(4, 4), cfg=2.0, top_p=None)
    check = partial(check_record, folder, names=['7/000000'])
    check(settings, 5)  # nothing there yet
    pictures.write(random_images(1)[0], folder / '7' / '000000.png')
    with pytest.raises(ValueError, match=f'but no {folder}.json says what made'):
        check(settings, 5)
    write_record(folder, settings, 5, config='x.py')
    assert (tmp_path / 'v1.0.json').is_file()
    check(settings, 5)
    check(settings, 6)
    with pytest.raises(ValueError, match='number is 5 there and 4 here'):
        check(settings, 4)
    other = {**settings, 'classes': [1], 'cfg': 3.0}
    with pytest.raises(ValueError, match='other samples') as caught:
        check(other, 5)
    text = str(caught.value)
    assert 'cfg is 2.0 there and 3.0 here' in text and 'top_p' not in text
    assert '... there and [1] here' in text and 'grid' not in text
    assert f'delete {folder} and {folder}.json' in text
