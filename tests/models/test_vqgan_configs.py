"""Shipped VQGAN configs: they load, check, and build on the meta device."""

from pathlib import Path

import pytest
import torch

from vq import config
from vq.registry import MODELS

ROOT = Path(__file__).parents[2] / 'configs'
VQGANS = sorted((ROOT / 'vqgan').glob('*.py'))


@pytest.mark.parametrize('path', VQGANS, ids=lambda path: path.stem)
def test_full_size(path):
    loaded = config.load(path)
    config.check(loaded)
    with torch.device('meta'):
        model = MODELS.build(loaded.trainer.model)
    codes = int(path.stem.split('_')[0])
    assert model.tokenizer.quantizer.codebook.shape == (codes, 256)
    shallow = 'dd2' in path.stem
    if 'stylegan2' in path.stem:  # 256 pixels are halved down to 4
        depth, kind = 6, 'StyleGAN2Discriminator'
    else:
        depth, kind = 2 if shallow else 3, 'PatchDiscriminator'
    assert type(model.discriminator).__name__ == kind
    assert len(model.discriminator.blocks) == depth
    assert model.adversarial_weight.gain == (0.75 if shallow else 0.8)
    assert set(model.reconstruction_losses) == {'l1_loss', 'lpips_loss'}
    assert loaded.trainer.iters == (100_000 if 'clips' in path.stem else 260_000)


@pytest.mark.parametrize(('name', 'size'), [('digits', 32), ('photos', 64)])
def test_demo(name, size):
    loaded = config.load(ROOT / 'demo' / f'vqgan_{name}.py')
    config.check(loaded)
    model = MODELS.build(loaded.trainer.model)
    with torch.no_grad():
        result = model(torch.zeros(1, 3, size, size))
    assert result.image.shape == (1, 3, size, size)
    assert result.quantized.tokens.shape == (1, size // 4, size // 4)
    schedules = loaded.trainer.schedulers.values()
    assert {schedule.T_max for schedule in schedules} == {loaded.trainer.iters}
