"""The parity report: counts, hash, a run; and what does not fit."""

import re
from pathlib import Path

import pytest
import torch

from tests.conversion import networks
from vq.checkpoints import CheckpointError, state_hash
from vq.conversion import parity

CONFIG = networks.DDCONFIGS['discriminator']
FILE = Path('x.converted')


@pytest.fixture(autouse=True)
def small_pattern(monkeypatch):
    monkeypatch.setattr(parity, 'SIDE', 32)


def test_the_report():
    weights = networks.build(CONFIG).state_dict()
    text = parity.report(CONFIG, weights, FILE)
    assert f'state hash {state_hash(weights)}' in text
    assert text.startswith(f'loaded {len(weights)}, missing 0, unexpected 0')
    numbers = sum(value.numel() for value in weights.values()) / 1e6
    assert f'in all: {len(weights)} tensors, {numbers:.3f} M numbers' in text
    assert re.search(r'32 px: 16x16 tokens, \d+ of 16 codes', text)
    assert 'its reconstruction is finite' in text
    assert all(f'  {part}: ' in text for part in ('tokenizer.encoder', 'discriminator'))


def test_a_model_without_a_tokenizer_is_not_run():
    model = dict(type='Connector', in_dim=2, out_dim=2)
    weights = networks.build(model).state_dict()
    assert parity.report(model, weights, FILE).endswith('the model has no tokenizer')


def test_what_does_not_fit():
    weights = networks.build(CONFIG).state_dict()
    with pytest.raises(CheckpointError, match='1 unexpected'):
        parity.report(CONFIG, weights | {'more': torch.ones(1)}, FILE)
    weights['decoder.head.bias'] = torch.full((3,), torch.nan)
    with pytest.raises(CheckpointError, match='not finite'):
        parity.report(CONFIG, weights, FILE)


def test_the_pattern_fills_the_range():
    image = parity.pattern(64)
    assert torch.equal(image, parity.pattern(64)) and image.shape == (1, 3, 64, 64)
    assert image.min() == -1 and image.max() == 1
