"""Discriminators: the published keys of each kind, and their configs."""

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal, published
from vq.conversion import FAMILIES, discriminators, llamagen, structure, taming
from vq.registry import MODELS

KINDS = {
    'patch': dict(type='PatchDiscriminator', depth=2, width=4, norm='batch', in_dim=3),
    'act': dict(type='PatchDiscriminator', depth=2, width=4, norm='act', in_dim=3),
    'bare': dict(type='PatchDiscriminator', depth=2, width=4, norm='none', in_dim=3),
    'stylegan': dict(type='StyleGANDiscriminator', image_size=16, max_dim=8, in_dim=3),
    'other': dict(type='PatchDiscriminator', depth=2, width=4, norm='spectral'),
    'stylegan2': dict(type='StyleGAN2Discriminator', image_size=32, max_dim=8),
}


def weights(name):
    return networks.build(networks.autoencoder(discriminator=KINDS[name])).state_dict()


@pytest.mark.parametrize('name', ['patch', 'act', 'bare', 'stylegan'])
def test_configs_are_read_off_the_weights(name):
    assert discriminators.config(weights(name)) == KINDS[name]
    assert discriminators.kind(weights(name)) == {'act': 'patch'}.get(name, name)


@pytest.mark.parametrize('name', ['other', 'stylegan2'])
def test_others_have_no_published_names(name):
    assert discriminators.kind(weights(name)) == 'other'
    assert discriminators.config(weights(name)) is None
    for family in ('taming', 'llamagen', 'diffusers'):
        renamed = FAMILIES[family].from_ours(weights(name))
        left = {key for key in weights(name) if key.startswith('discriminator.')}
        assert set(renamed.dropped) == left


@pytest.mark.parametrize(
    ('family', 'name'),
    [('taming', 'act'), ('llamagen', 'act'), ('llamagen', 'stylegan')],
)
def test_there_and_back(family, name):
    ours = weights(name)
    theirs = FAMILIES[family].from_ours(ours).weights
    assert equal(FAMILIES[family].to_ours(theirs).weights, ours)
    config = FAMILIES[family].model_config(theirs)
    model = MODELS.build(structure.without_losses(config))
    model.load_state_dict(ours)
    assert config['discriminator'] == KINDS[name]


def test_full_size_stylegan():
    theirs = {
        f'discriminator.{key}': value
        for key, value in published('llamagen_stylegan_discriminator_256').items()
    }
    renamed = llamagen.STYLEGAN.to_ours(theirs)
    config = discriminators.config(renamed.weights)
    model = structure.build(config)
    own = {f'discriminator.{k}': v.shape for k, v in model.state_dict().items()}
    assert {key: value.shape for key, value in renamed.weights.items()} == own
    assert config['image_size'] == 256 and len(renamed.dropped) == 6
    back = llamagen.STYLEGAN.from_ours(renamed.weights).weights
    assert set(back) == {*theirs, 'quantize.codebook_used'}
    kernels = [value for key, value in back.items() if key.endswith('.f')]
    assert all(torch.equal(k, torch.tensor([1.0, 2.0, 1.0])) for k in kernels)


@pytest.mark.parametrize(
    ('table', 'name', 'prefix'),
    [
        (llamagen.TABLE, 'llamagen_vqloss_patchgan_discriminator', ''),
        (taming.VQ, 'taming_vqlpips_loss_only', 'loss.'),
    ],
)
def test_full_size_patchgan(table, name, prefix):
    theirs = {
        key: value
        for key, value in published(name).items()
        if key.startswith(f'{prefix}discriminator.')
    }
    renamed = table.to_ours(theirs)
    model = structure.build(discriminators.config(renamed.weights))
    own = {f'discriminator.{k}': v.shape for k, v in model.state_dict().items()}
    assert {key: value.shape for key, value in renamed.weights.items()} == own
    assert set(table.from_ours(renamed.weights).weights) >= set(theirs)
