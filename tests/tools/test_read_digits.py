"""Digits are read as scikit-learn reads the raw arrays; copies are found."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from einops import repeat
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch import Tensor

from tests.tools.loading import load_tool
from vq import images
from vq.config import load
from vq.registry import MODELS
from vq.types import Batch

ROOT = Path(__file__).parents[2]
TRAIN, ALL = 300, 500  # digits of scikit-learn


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_tool('read_digits')


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of real digits, as PNGs by class."""
    root = tmp_path_factory.mktemp('digits')
    data = load_digits()
    for i, (pixels, digit) in enumerate(zip(data.images, data.target, strict=True)):
        if i == ALL:
            break
        path = root / ('train' if i < TRAIN else 'val') / str(digit) / f'{i:04d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray((15 * pixels).astype(np.uint8))
        grey.convert('RGB').save(path)
    return root


def test_figures(tool: ModuleType, folders: Path) -> None:
    """Neither order, channels nor scale of the pixels matter to the machine."""
    train, held_out = (tool.read_digits(folders / split) for split in ('train', 'val'))
    # Threes were asked for as fours, and there are copies of all training digits.
    asked_for = torch.where(held_out[1] == 3, 4, held_out[1])
    generated = torch.cat([train[0], held_out[0]]), torch.cat([train[1], asked_for])
    found = tool.measure([train, held_out], [train, held_out], generated)

    data = load_digits()
    reader = SVC().fit(data.data[:TRAIN], data.target[:TRAIN])
    right = reader.score(data.data[TRAIN:ALL], data.target[TRAIN:ALL])
    assert found['real'] == pytest.approx(right) == found['reconstructed']
    grey = generated[0][:, 0].flatten(1).numpy() / 15
    asked = reader.predict(grey) == generated[1].numpy()
    assert found['generated'] == pytest.approx(asked.mean())
    of_class = [asked[generated[1].numpy() == k].mean() for k in range(10)]
    np.testing.assert_allclose(found['by_class'], of_class, rtol=1e-6)
    assert found['by_class'][4] < 0.8 < found['by_class'][3]
    assert found['copies'] == pytest.approx(TRAIN / ALL)
    assert f'{asked.mean():.1%} of {ALL} ' in str(tool.describe(found))


def test_distance(tool: ModuleType, folders: Path) -> None:
    """The median over pictures of the root mean square to the nearest other one."""
    train, held_out = (tool.read_digits(folders / split) for split in ('train', 'val'))
    found = tool.measure([train, held_out], [train, held_out], held_out)
    ours, theirs = (x[0].double().flatten(1).numpy() for x in (held_out, train))
    squares = ((ours[:, None] - theirs[None]) ** 2).mean(2).min(1)
    assert found['distance_held_out'] == pytest.approx(
        np.median(squares**0.5), rel=0.02
    )
    assert found['distance_generated'] == found['distance_held_out']
    assert found['copies'] == 0


@torch.no_grad()
def test_reconstructions_are_those_of_validation(
    tool: ModuleType, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = MODELS.build(load(ROOT / tool.CONFIG).validator.model).eval()
    pixels = repeat(torch.arange(5 * 32 * 32) % 251, '(n h w) -> n 3 h w', n=5, h=32)
    batch = _batch(pixels.to(torch.uint8))
    tokens = model.tokenizer.tokenize(batch.image)
    torch.save(model.state_dict(), tmp_path / 'model.pth')

    loaded = tool.load_tokenizer(tmp_path / 'model.pth')
    store = [(row, i, f'{i}.png') for i, row in enumerate(tokens)]
    found, classes = tool.reconstruct(loaded, store)
    assert found.equal(images.to_uint8(model.val_step(batch).image))
    assert classes.tolist() == [0, 1, 2, 3, 4]


def _batch(pictures: Tensor) -> Batch:
    number = torch.arange(len(pictures))
    ids = [str(i) for i in number.tolist()]
    return Batch(original_image=pictures, category=number, index=number, ids=ids)
