"""Shipped LlamaGen configs: as large as the published networks; the recipe."""

import gzip
import json
import math

import pytest
import torch

from tests.golden_cases import OWN
from vq import config, paths
from vq.registry import MODELS

CONFIGS = paths.ROOT / 'configs' / 'llamagen'
EXPERIMENTS = {  # codes, channels, pixels, tokens a side
    'vqgan': (16384, 8, 256, 16),
    'vqgan_384': (16384, 8, 384, 24),
    'vqgan_128_384': (128, 8, 384, 24),
    'vqgan_256_f8': (256, 8, 256, 32),
    'vqgan_128x16_f8': (128, 16, 256, 32),
    'vqgan_stylegan2': (16384, 8, 256, 16),
}


def load(name, **options):
    return config.load(CONFIGS / f'{name}_imagenet_ddp.py', options=options).trainer


def build(model):
    with torch.device('meta'):
        return MODELS.build(model)


def elements(module, *parts):
    """Count the elements of these parts' parameters."""
    modules = [module.get_submodule(part) for part in parts]
    return sum(p.numel() for part in modules for p in part.parameters())


@pytest.mark.parametrize(
    ('ours', 'published', 'mults'),
    [
        ('vqgan', 'llamagen_vq_ds16_c2i', (1, 1, 2, 2, 4)),
        # Our f8 is narrower at the second level.
        ('vqgan_256_f8', 'llamagen_vq_ds8_c2i', (1, 2, 2, 4)),
    ],
)
def test_as_large_as_the_published_network(ours, published, mults):
    path = OWN / 'key_shapes' / f'{published}.json.gz'
    shapes = json.loads(gzip.decompress(path.read_bytes()))['state_dict']
    expected = {key: math.prod(shape) for key, (_, shape) in shapes.items()}
    del expected['quantize.codebook_used']  # recent tokens, for its log
    model = load(ours).model
    model.tokenizer.quantizer.codebook_size = 16384
    model.tokenizer.encoder.width_mults = mults
    model.decoder.width_mults = mults[::-1]
    built = build(model)
    actual = elements(built, 'tokenizer', 'pre_decode', 'decoder')
    assert actual == sum(expected.values())
    for part, theirs in (('tokenizer.encoder', 'encoder.'), ('decoder', 'decoder.')):
        count = sum(n for key, n in expected.items() if key.startswith(theirs))
        assert elements(built, part) == count


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_experiment(name):
    trainer = load(name)
    codes, dim, pixels, side = EXPERIMENTS[name]
    model = build(trainer.model)
    image = torch.empty(1, 3, pixels, pixels, device='meta')
    assert model.tokenizer.quantizer.codebook.shape == (codes, dim)
    assert trainer.dataset.transforms[0].size == pixels
    assert model.tokenizer.encode(image).shape == (1, dim, side, side)
    assert model.tokenizer.quantizer.normalize
    assert set(model.reconstruction_losses) == {'mse_loss', 'lpips_loss'}
    assert model.adversarial_weight is None
    assert model.adversarial_loss.generator_weight == 0.5
    assert model.adversarial_loss.discriminator_weight == 0.5
    # It begins after 20,000 iterations: at the one with index 20,000.
    assert model.adversarial_factor(19_999) == 0 < model.adversarial_factor(20_000)
    assert model.discriminator_update(19_999) is None
    assert (trainer.iters, trainer.dataloader.batch_size) == (400_000, 128)
    for optimizer in trainer.optimizers.values():
        assert (optimizer.type, optimizer.lr) == ('Adam', 1e-4)
        assert optimizer.betas == (0.9, 0.95)


def test_one_option_sets_the_size_of_images_and_discriminator():
    trainer = load('vqgan_stylegan2', image_size=128)
    discriminator = build(trainer.model).discriminator
    image = torch.empty(4, 3, 128, 128, device='meta')
    assert discriminator(image).shape == (4, 1)
    assert trainer.dataset.transforms[0].size == discriminator.image_size == 128
    assert load('vqgan_stylegan2').model.discriminator.image_size == 256
    assert list(build(load('vqgan').model).discriminator(image).shape[2:]) == [14, 14]
