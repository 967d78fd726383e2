"""The demo data sets hold what the packages hold, and are made once."""

import logging
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional

from tests.tools.loading import load_tool
from vq.datasets import FolderDataset


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    """Return the tool as a module."""
    return load_tool('prepare_data')


@pytest.fixture(scope='module')
def digits(tool: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prepared digits."""
    folder = tool.prepare('digits', tmp_path_factory.mktemp('data'))
    assert isinstance(folder, Path)
    return folder


def _split(folder: Path, split: str) -> FolderDataset:
    return FolderDataset(data_root=str(folder / split), transforms=[])


def _upscaled(original: NDArray[np.float64]) -> NDArray[np.float64]:
    grey = torch.from_numpy(np.rint(original * 255 / 16))[None, None]
    for size in ((8, 32), (32, 32)):  # Pillow clips between rows and columns too
        large = functional.interpolate(grey, size, mode='bicubic', antialias=True)
        grey = large.clamp(0, 255)
    return grey[0, 0].numpy()


def test_digits_are_those_of_scikit_learn(digits: Path) -> None:
    data = load_digits()
    for number in range(10):
        images = data.images[data.target == number]
        train = sorted((digits / 'train' / str(number)).glob('*.png'))
        val = sorted((digits / 'val' / str(number)).glob('*.png'))
        assert len(train) + len(val) == len(images)
        # The first of a class is for training, the tenth is the first for validation.
        for path, original in ((train[0], images[0]), (val[0], images[9])):
            image = Image.open(path)
            assert (image.size, image.mode) == ((32, 32), 'RGB')
            assert np.abs(np.array(image)[..., 1] - _upscaled(original)).max() < 2


def test_digits_are_split_by_class(digits: Path) -> None:
    train, val = _split(digits, 'train'), _split(digits, 'val')
    assert len(train) + len(val) == 1797
    assert train.categories == val.categories == [str(i) for i in range(10)]
    shares = [np.bincount([d.category(i) for i in range(len(d))]) for d in (val, train)]
    assert np.all(np.abs(shares[0] / (shares[0] + shares[1]) - 0.1) < 0.01)
    assert val.id(0) == '0/0000.png'


def test_photos_for_validation_are_never_trained_on(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, 'PHOTO_SIDES', (128,))
    folder = tool.prepare('photos', tmp_path)
    train, val = _split(folder, 'train'), _split(folder, 'val')
    assert val.categories == ['chelsea', 'china']
    assert sorted(train.categories + val.categories) == sorted(tool.PHOTOS)
    package, file = tool.PHOTOS['astronaut']
    photo = Image.open(tool._find(package, file)).convert('RGB')
    scaled = photo.resize((128, 128), Image.Resampling.BICUBIC)
    crop = np.array(scaled.crop((16, 0, 80, 64)))  # the second of the first row
    assert train.id(1) == 'astronaut/0001.png'
    assert torch.equal(train.read(1), rearrange(torch.tensor(crop), 'h w c -> c h w'))


def test_crops_lie_within_the_photograph(tool: ModuleType) -> None:
    corners = list(tool._corners((130, 64), 32))
    assert corners == [(0, 0), (32, 0), (64, 0)]


def test_a_finished_folder_is_kept(
    tool: ModuleType,
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(tool.DATA_SETS, 'digits', pytest.fail)
    with caplog.at_level(logging.INFO):
        tool.main(['digits', '--root', str(digits.parent)])
    assert 'is there already and is kept' in caplog.text
    assert 'digits/train: 1621 images (0 161, ' in caplog.text
    assert 'digits/val: 176 images' in caplog.text


def test_a_stopped_run_leaves_no_folder(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops() -> object:
        yield 'train', 'a', Image.new('RGB', (1, 1))
        raise KeyboardInterrupt

    monkeypatch.setitem(tool.DATA_SETS, 'digits', stops)
    with pytest.raises(KeyboardInterrupt):
        tool.prepare('digits', tmp_path)
    assert not (tmp_path / 'digits').exists()
    monkeypatch.setitem(
        tool.DATA_SETS,
        'digits',
        lambda: iter([('val', 'b', Image.new('RGB', (1, 1)))]),
    )
    folder = tool.prepare('digits', tmp_path)
    files = [p.relative_to(folder).as_posix() for p in folder.rglob('*.png')]
    assert files == ['val/b/0000.png']


@pytest.mark.parametrize('name', ['digits', 'photos'])
def test_missing_package_says_what_to_install(
    tool: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_there(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(tool.importlib, 'import_module', not_there)
    monkeypatch.setattr(tool.importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(SystemExit, match=r"scikit-\w+ is not .* -e '\.\[demo\]'"):
        tool.main([name, '--root', str(tmp_path)])
    assert not (tmp_path / name).exists()
