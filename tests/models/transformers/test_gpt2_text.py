"""GPT-2 begins with text weights, as transformers writes them, in training alone."""

import json
import logging
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from vq.checkpoints import CheckpointError
from vq.models import GPT2
from vq.pretrained import MissingWeightsError
from vq.runners.base import build_model

SIZES = dict(dim=16, depth=2, heads=4)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a folder of a tiny GPT-2 with 24 positions."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=11, n_positions=24, n_embd=16, n_layer=2, n_head=4
    )
    network = transformers.GPT2LMHeadModel(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp('gpt2')
    network.save_pretrained(path)
    return path


def built(weights: Any, training: bool = True, **changes: Any) -> GPT2:
    sizes = SIZES | dict(grid=(4, 4)) | changes
    model = build_model(dict(type='GPT2', weights=weights, **sizes), training=training)
    assert isinstance(model, GPT2)
    return model.eval()


def features(folder: Any, embedded: Tensor) -> Tensor:
    network = transformers.GPT2Model.from_pretrained(folder)
    out: Tensor = network.eval()(inputs_embeds=embedded).last_hidden_state
    return out


@torch.no_grad()
def test_the_body_computes_what_the_published_one_does(folder: Any) -> None:
    embedded = torch.randn(2, 16, 16)
    expected = features(folder, embedded)
    for weights in (str(folder), str(folder / 'model.safetensors')):
        ours = built(weights)(embedded)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
    # Fewer positions are the first ones.
    ours = built(str(folder), grid=(2, 3))(embedded[:, :6])
    torch.testing.assert_close(ours, expected[:, :6], rtol=0, atol=1e-5)


@torch.no_grad()
def test_old_files_have_other_names_and_masks(folder: Any, tmp_path: Any) -> None:
    network = transformers.GPT2Model.from_pretrained(folder)
    old = dict(network.state_dict())  # without `transformer.`, as at the hub
    assert 'h.0.ln_1.weight' in old
    old['h.0.attn.bias'] = torch.ones(1, 1, 24, 24).tril()
    torch.save(old, tmp_path / 'old.pt')
    embedded = torch.randn(1, 16, 16)
    ours = built(str(tmp_path / 'old.pt'))(embedded)
    expected = features(folder, embedded)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_a_file_of_another_size_is_refused(folder: Any) -> None:
    with pytest.raises(CheckpointError, match=r'24 positions, grid=\(5, 5\) needs 25'):
        built(str(folder), grid=(5, 5))
    with pytest.raises(CheckpointError, match='is of another model: 12 keys are miss'):
        built(str(folder), depth=3)
    with pytest.raises(CheckpointError, match='keys are missing.*query_norm'):
        built(str(folder), qk_norm=True)


def test_a_missing_file_stops_training_alone(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
) -> None:
    name = 'huggingface/gpt2-medium'
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    built(name, training=False)
    command = 'tools/prepare_checkpoints.py huggingface'
    with pytest.raises(MissingWeightsError, match=command):
        built(name)
    monkeypatch.setenv('DRY_RUN', 'True')
    with caplog.at_level(logging.WARNING):
        built(name)
    assert 'dry run: GPT2 is random' in caplog.text and command in caplog.text


def test_a_folder_without_the_file_tells_the_way_out(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match='holds no model.safetensors: set wei'):
        built(str(tmp_path))


def test_without_a_file_nothing_is_read(folder: Any) -> None:
    assert built(None).weights is None
    settings = json.loads((folder / 'config.json').read_text())
    untouched = built(str(folder), training=False).positions.weight
    assert len(untouched) == 16 < settings['n_positions']
    torch.testing.assert_close(untouched.std(), torch.tensor(0.02), rtol=0.3, atol=0)
