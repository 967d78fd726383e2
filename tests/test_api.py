"""Models from Python are those of the commands."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.datasets.pictures import photo, to_tensor
from tests.runs import TINY, tiny, tiny_validator
from vq import export
from vq.api import load_model, read_picture, save_picture
from vq.checkpoints import CheckpointError
from vq.checkpoints.files import write_weights
from vq.cli import export_parser
from vq.config import ConfigError

IMAGE = torch.rand(2, 3, 16, 16) * 2 - 1


@pytest.fixture
def model(tmp_path: Path) -> torch.nn.Module:
    """Return a validator's model, whose weights are in model.pth and model/."""
    model = tiny_validator(tmp_path).model.eval()
    write_weights(tmp_path / 'model', model.state_dict())
    words = [str(TINY), '--load-model-from', str(tmp_path / 'model.pth')]
    out = ['--out', str(tmp_path / 'model')]
    export.run(export_parser().parse_args([*words, *out]))
    return model


@torch.no_grad()
def test_all_ways_lead_to_the_validators_model(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    expected = model(IMAGE).image
    weights = tmp_path / 'model.pth'
    loaded = [
        load_model(TINY, weights),
        load_model(str(TINY), [str(weights)]),
        load_model(tiny(), weights),
        load_model(dict(tiny().validator.model), weights),
        load_model(tmp_path / 'model'),
        load_model(TINY, tmp_path / 'model'),
        load_model(TINY, weights, part='trainer'),
    ]
    for one in loaded:
        assert torch.equal(one(IMAGE).image, expected)
        assert not one.training
        tokens = one.tokenize(IMAGE)
        assert torch.equal(tokens, one(IMAGE).quantized.tokens)
        assert torch.equal(one.detokenize(tokens), expected)


def test_changes_count_and_leave_the_given_config_alone() -> None:
    config = tiny()
    words = ['.validator.model.tokenizer.quantizer.codebook_size:8']
    assert load_model(config, overrides=words).tokenizer.codebook_size == 8
    assert load_model(config, overrides=words[0]).tokenizer.codebook_size == 8
    assert load_model(config).tokenizer.codebook_size == 32
    part = dict(config.validator.model)
    paths = {'.tokenizer.quantizer.codebook_size': 16}
    assert load_model(part, overrides=paths).tokenizer.codebook_size == 16
    assert part == config.validator.model


def test_averaged_weights_are_those_of_the_checkpoint(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    averaged = {key: value + 1 for key, value in model.state_dict().items()}
    write_weights(tmp_path / 'ema', averaged)
    found = load_model(TINY, tmp_path / 'model.pth', ema=True).state_dict()
    assert all(torch.equal(found[key], averaged[key]) for key in averaged)


def test_errors_are_those_of_the_commands(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    weights = tmp_path / 'model.pth'
    with pytest.raises(ConfigError, match='nowhere.py does not exist'):
        load_model('nowhere.py')
    with pytest.raises(ConfigError, match='folder without config.py'):
        load_model(tmp_path)
    with pytest.raises(ConfigError, match="one of validator, trainer, got 'x'"):
        load_model(TINY, part='x')
    with pytest.raises(ConfigError, match='only a config file has options'):
        load_model(tiny(), options=dict(a=1))
    with pytest.raises(ConfigError, match='checkpoints: give weights'):
        load_model(TINY, ema=True)
    with pytest.raises(ConfigError, match='codebook_siz'):
        load_model(dict(type='VectorQuantizer', codebook_siz=3, dim=4))
    with pytest.raises(FileNotFoundError, match='model.pht does not exist'):
        load_model(TINY, tmp_path / 'model.pht')
    other = {'.validator.model.tokenizer.quantizer.codebook_size': 8}
    with pytest.raises(CheckpointError, match='model.pth: the weights do not fit'):
        load_model(TINY, weights, overrides=other)


def test_a_picture_is_read_as_the_network_sees_it(tmp_path: Path) -> None:
    photo(size=(40, 24)).save(tmp_path / 'x.png')
    image = read_picture(tmp_path / 'x.png')
    expected = to_tensor(photo(size=(40, 24))) / 127.5 - 1
    assert torch.equal(image, expected[None])
    assert read_picture(tmp_path / 'x.png', size=16).shape == (1, 3, 16, 16)
    save_picture(torch.cat([image, image]), tmp_path / 'out' / 'y.png')
    both = to_tensor(Image.open(tmp_path / 'out' / 'y.png'))
    one = to_tensor(photo(size=(40, 24)))
    assert torch.equal(both, torch.cat([one, one], dim=2))
    save_picture(image[0], tmp_path / 'z.png')
    assert torch.equal(to_tensor(Image.open(tmp_path / 'z.png')), one)
