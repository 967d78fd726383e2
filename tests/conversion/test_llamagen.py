"""LlamaGen's tokenizers in our words and back: tiny, golden and full-size."""

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal, published
from tests.golden_cases import cases
from tests.models.golden import Case
from vq.conversion import FAMILIES, ConversionError, configs, llamagen, structure
from vq.registry import MODELS

LLAMAGEN = FAMILIES['llamagen']
UNEQUAL = networks.autoencoder(decoder=dict(width_mults=(3, 1)))
TINY = networks.DDCONFIGS | {'unequal mults': UNEQUAL}


@pytest.mark.parametrize('name', TINY)
def test_there_and_back(name):
    model = networks.build(TINY[name])
    weights = model.state_dict()
    theirs = LLAMAGEN.from_ours(weights).weights
    ours = LLAMAGEN.to_ours(theirs)
    assert equal(ours.weights, weights)
    assert list(ours.dropped) == ['quantize.codebook_used']
    assert not LLAMAGEN.obstacles(model)
    again = LLAMAGEN.from_ours(ours.weights).weights
    assert equal(again, theirs)
    assert not again['quantize.codebook_used'].any()


@cases('07a_')
def test_golden_network(path):
    case = Case(path)
    ours = LLAMAGEN.to_ours(case.weights)
    back = LLAMAGEN.from_ours(ours.weights).weights
    back['quantize.codebook_used'] = case.weights['quantize.codebook_used']
    assert equal(back, case.weights)
    config = dict(LLAMAGEN.model_config(case.weights), reconstruction_losses={})
    model = MODELS.build(config).eval()
    model.load_state_dict(ours.weights)
    with torch.no_grad():
        tokens = model.tokenizer.tokenize(case.inputs['x'])
        decoded = model.decode(case.outputs['quant'])
    assert torch.equal(tokens.reshape(-1), case.outputs['indices'])
    torch.testing.assert_close(decoded, case.outputs['dec'], rtol=0, atol=1e-4)


@pytest.mark.parametrize('name', ['llamagen_vq_ds16_c2i', 'llamagen_vq_ds8_c2i'])
def test_full_size_keys_are_all_accounted_for(name):
    weights = published(name)
    renamed = LLAMAGEN.to_ours(weights)
    assert set(renamed.mapped.values()) | set(renamed.dropped) == set(weights)
    assert len(renamed.dropped) == 1
    model = structure.build(LLAMAGEN.model_config(weights))
    model.load_state_dict(renamed.weights, assign=True, strict=True)
    assert set(LLAMAGEN.from_ours(renamed.weights).weights) == set(weights)


def test_full_size_f16_is_the_shipped_network_without_discriminator():
    config = LLAMAGEN.model_config(published('llamagen_vq_ds16_c2i'))
    path = configs.choose(config, discriminator=False)
    assert path is not None and path.parent.name == 'llamagen'
    assert configs.choose(config) is None


def test_discriminator_of_a_training_checkpoint():
    weights = published('llamagen_vq_ds16_c2i')
    weights |= published('llamagen_vqloss_patchgan_discriminator')
    renamed = LLAMAGEN.to_ours(weights)
    shipped = configs.choose(LLAMAGEN.model_config(weights))
    assert len(renamed.mapped) == 343 + 22
    assert shipped is not None and shipped.parent.name == 'llamagen'


def test_options():
    weights = LLAMAGEN.from_ours(networks.build(TINY['f2']).state_dict()).weights
    quantizer = LLAMAGEN.model_config(weights, normalize=False)['tokenizer'][
        'quantizer'
    ]
    assert (quantizer['normalize'], llamagen.LlamaGen.options) == (
        False,
        {'normalize': True},
    )
    with pytest.raises(ConversionError, match=r"no option 'normalise'.*normalize"):
        LLAMAGEN.to_ours(weights, normalise=False)
    with pytest.raises(ConversionError, match='normalize is a bool, got 3'):
        LLAMAGEN.to_ours(weights, normalize=3)


def test_what_is_written(tmp_path):
    model = networks.build(TINY['discriminator'])
    weights = LLAMAGEN.from_ours(model.state_dict()).weights
    (file,) = LLAMAGEN.write(tmp_path / 'x.pt', weights, model, image_size=32)
    content = torch.load(file, weights_only=True)
    prefix = 'discriminator.'
    both = content['model'] | {
        prefix + key: value for key, value in content['discriminator'].items()
    }
    assert equal(both, weights)


@pytest.mark.parametrize(
    ('changes', 'part'),
    [
        (dict(attention=()), 'tokenizer.encoder: attention ()'),
        (dict(attention=(0, 1)), 'decoder: attention (0, 1)'),
        (dict(quantizer=dict(type='GumbelQuantizer')), 'tokenizer.quantizer: Gumbel'),
        (dict(quantizer=dict(distance='cosine')), 'tokenizer.quantizer: VectorQuant'),
    ],
)
def test_what_the_format_cannot_hold(changes, part):
    found = LLAMAGEN.obstacles(structure.build(networks.autoencoder(**changes)))
    assert any(reason.startswith(part) for reason in found), found
