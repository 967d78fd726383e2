"""One picture through a tokenizer: files equal the model's own answer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.datasets.pictures import photo, to_tensor
from tests.log import Records
from tests.runs import tiny_validator
from vq import images
from vq.datasets.decoding import read_image
from vq.registry import TRANSFORMS
from vq.runners import Validator
from vq.runners.inference import check_names, infer

CROP = [dict(type='Resize', size=16), dict(type='CenterCrop', size=16)]


@pytest.fixture
def validator(tmp_path: Path) -> Validator:
    """Return a validator with random weights."""
    validator = tiny_validator(tmp_path)
    validator.model.eval()
    return validator


def test_files_equal_the_models_answer(
    validator: Validator, tmp_path: Path, log: Records
) -> None:
    photo(size=(40, 24)).save(tmp_path / 'cat.v1.png')
    transforms = [TRANSFORMS.build(t) for t in CROP]
    infer(validator, tmp_path / 'cat.v1.png', transforms=transforms, out=tmp_path / 'o')
    image = to_tensor(photo(size=(40, 24)))
    for transform in transforms:
        image = transform(image, np.random.default_rng(0))
    with torch.no_grad():
        expected = validator.model(image[None] / 127.5 - 1)
    tokens = np.load(tmp_path / 'o' / 'cat.v1_tokens.npy')
    assert tokens.tolist() == expected.quantized.tokens[0].tolist()
    pixels = ((expected.image[0] + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    # 16 px are enlarged 16 times, to 256.
    sheet = read_image(tmp_path / 'o' / 'cat.v1.png')[:, ::16, ::16]
    assert torch.equal(sheet[:, 2:18, 2:18], image)
    assert torch.equal(sheet[:, 2:18, 18:34], pixels)
    mse = (pixels.double() - image).square().mean()
    psnr = float(10 * torch.log10(255**2 / mse))
    assert f'8x8 tokens, PSNR {psnr:.2f} dB' in log.texts()[-1]


def test_sizes_that_do_not_suit_are_refused(
    validator: Validator, tmp_path: Path
) -> None:
    photo(size=(18, 15)).save(tmp_path / 'x.png')
    with pytest.raises(ValueError, match='x.png is 18x15; .* sides that 2 divides'):
        infer(validator, tmp_path / 'x.png', transforms=[], out=tmp_path)
    photo(size=(18, 14)).save(tmp_path / 'y.png')
    output = infer(validator, tmp_path / 'y.png', transforms=[], out=tmp_path)
    assert images.to_uint8(output.image).shape == (1, 3, 14, 18)


def test_pictures_of_one_name_do_not_overwrite_each_other() -> None:
    check_names([Path('a/0.png'), Path('a/1.png'), Path('a/1.v2.png')])
    with pytest.raises(ValueError, match='a/0.png and b/0.jpg .* 0.png; .* --out'):
        check_names([Path('a/0.png'), Path('c/1.png'), Path('b/0.jpg')])
