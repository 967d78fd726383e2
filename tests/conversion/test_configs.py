"""The config of converted weights: chosen where one fits, else written and loadable."""

import pytest

from tests.conversion import networks
from vq import config, paths
from vq.conversion import configs, structure
from vq.registry import MODELS


def shipped(name):
    return config.load(paths.ROOT / 'configs' / f'{name}.py').trainer.model


@pytest.mark.parametrize('name', ['vqgan/1024_imagenet_ddp', 'demo/vqgan_digits'])
def test_a_shipped_network_finds_itself(name):
    found = configs.choose(shipped(name))
    assert found == paths.ROOT / 'configs' / f'{name}.py'


@pytest.mark.parametrize(
    'change',
    [
        dict(normalize=False),  # changes no shape
        dict(codebook_size=255),
        dict(dim=4),
        dict(type='GumbelQuantizer'),
    ],
)
def test_another_network_is_not_chosen(change):
    model = shipped('demo/vqgan_digits').to_dict()
    model['tokenizer']['quantizer'] |= change
    if change.get('type'):
        del model['tokenizer']['quantizer']['normalize']
    model['tokenizer']['post_encode']['out_dim'] = change.get('dim', 3)
    model['pre_decode']['in_dim'] = change.get('dim', 3)
    assert configs.choose(model) is None


def test_groups_are_seen_though_they_have_no_shape():
    model = shipped('demo/vqgan_digits').to_dict()
    model['decoder']['norm_groups'] = 4
    assert configs.choose(model) is None
    assert configs.choose(shipped('demo/vqgan_digits')) is not None


@pytest.mark.parametrize(
    'model', [*networks.DDCONFIGS.values(), *networks.TAMING_ONLY.values()]
)
def test_written_configs_load_to_the_model(model, tmp_path):
    path = tmp_path / 'written.py'
    path.write_text(configs.text(model, 'A title.'))
    loaded = config.load(path)
    config.check(loaded)
    assert loaded.trainer.model.to_dict() == model
    assert ('discriminator' in loaded.trainer.optimizers) == ('discriminator' in model)
    assert path.read_text().startswith('"""A title."""\n')
    assert configs.choose(model, tmp_path) == path


def test_a_network_without_its_discriminator_leans_on_the_shipped_config(tmp_path):
    model = shipped('vqgan/1024_imagenet_ddp').to_dict() | dict(discriminator=None)
    like = configs.choose(model, discriminator=False)
    path = tmp_path / 'written.py'
    path.write_text(configs.text(model, 'A title.', like))
    loaded = config.load(path)
    config.check(loaded)
    built = structure.build(structure.without_losses(loaded.trainer.model))
    assert configs.same(built, structure.build(structure.without_losses(model)))
    assert len(path.read_text().splitlines()) <= 16
    assert list(loaded.trainer.optimizers) == ['generator']
    assert MODELS.find('VQGAN') is type(built)
