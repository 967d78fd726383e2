"""MoVQGAN's tokenizers in our words and back: tiny, golden and full-size."""

import pytest
import torch
import yaml

from tests.conversion import networks
from tests.conversion.networks import equal, published
from tests.golden_cases import cases
from tests.models.golden import Case
from vq import config, paths
from vq.conversion import FAMILIES, ConversionError, configs, reading, structure
from vq.registry import MODELS

MOVQGAN, TAMING = FAMILIES['movqgan'], FAMILIES['taming']
TINY = networks.DDCONFIGS | networks.TAMING_ONLY | networks.MOVQ
FULL = ['67M', '102M', '270M']
ELEMENTS = dict(zip(FULL, (67_832_495, 101_614_255, 270_669_103), strict=True))
SHIPPED = paths.ROOT / 'configs' / 'movqgan'
AVERAGED = ('encoder.', 'decoder.', 'quantize.', 'quant_conv.', 'post_quant_conv.')


def averages(weights, plus):
    """Return the copies of a training checkpoint: numbers of its own, no dots."""
    parts = {k: v for k, v in weights.items() if k.startswith(AVERAGED)}
    copies = {}
    for key, value in parts.items():
        part, rest = key.split('.', 1)
        copies[f'ema_{part}.{rest.replace(".", "")}'] = value + plus
    return copies | {'ema_encoder.decay': torch.tensor(0.9999)}


@pytest.mark.parametrize('name', TINY)
def test_there_and_back(name):
    model = networks.build(TINY[name])
    weights = model.state_dict()
    theirs = MOVQGAN.from_ours(weights)
    ours = MOVQGAN.to_ours(theirs.weights)
    assert equal(ours.weights, weights)
    assert not theirs.dropped and not ours.dropped
    inferred = MOVQGAN.model_config(theirs.weights)
    again = MODELS.build(dict(inferred, reconstruction_losses={})).eval()
    again.load_state_dict(ours.weights)
    image = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(again(image).image, model(image).image)


@cases('06_')
def test_golden_network(path):
    case = Case(path)
    ours = MOVQGAN.to_ours(case.weights)
    assert equal(MOVQGAN.from_ours(ours.weights).weights, case.weights)
    inferred = dict(MOVQGAN.model_config(case.weights), reconstruction_losses={})
    model = MODELS.build(inferred).eval()
    model.load_state_dict(ours.weights)
    with torch.no_grad():
        tokens = model.tokenizer.tokenize(case.inputs['x'])
        decoded = model.decode(case.outputs['quant'])
    assert torch.equal(tokens.reshape(-1), case.outputs['indices'])
    torch.testing.assert_close(decoded, case.outputs['dec'], rtol=0, atol=1e-4)


@pytest.mark.parametrize('size', FULL)
def test_full_size_keys_are_all_accounted_for(size):
    weights = published(f'movqgan_{size}')
    renamed = MOVQGAN.to_ours(weights)
    assert set(renamed.mapped.values()) == set(weights) and not renamed.dropped
    assert sum(value.numel() for value in renamed.weights.values()) == ELEMENTS[size]
    inferred = MOVQGAN.model_config(weights)
    path = SHIPPED / f'{size}.py'
    assert configs.choose(inferred, SHIPPED, discriminator=False) == path
    model = structure.build(config.load(path).validator.model)
    model.load_state_dict(renamed.weights, assign=True, strict=True)
    back = MOVQGAN.from_ours(renamed.weights).weights
    assert {k: v.shape for k, v in back.items()} == {
        k: v.shape for k, v in weights.items()
    }


@pytest.mark.parametrize('ema', [False, True])
def test_training_checkpoint_of_full_size(ema):
    weights = published('movqgan_67M') | published('movqgan_67M_training_extra')
    renamed = MOVQGAN.to_ours(weights, ema=ema)
    assert set(renamed.mapped.values()) | set(renamed.dropped) == set(weights)
    assert not set(renamed.mapped.values()) & set(renamed.dropped)
    copies = {k for k in renamed.mapped.values() if k.startswith('ema_')}
    # All but the counters of five averages.
    assert len(copies) == (431 if ema else 0)
    lpips = [k for k in renamed.dropped if k.startswith('loss.perceptual_loss.')]
    assert len(renamed.dropped) == len(lpips) + 431 + 10
    shipped = config.load(SHIPPED / '67M.py').trainer.model
    model = structure.build(structure.without_losses(shipped))
    assert model.state_dict().keys() == renamed.weights.keys()


def test_a_training_checkpoint_fits_one_of_all_shipped_configs():
    weights = published('movqgan_67M') | published('movqgan_67M_training_extra')
    assert configs.choose(MOVQGAN.model_config(weights)) == SHIPPED / '67M.py'


@pytest.mark.parametrize('name', ['movq discriminator', 'gumbel'])
def test_averaged_weights_take_the_place_of_the_raw_ones(name):
    weights = networks.build(TINY[name]).state_dict()
    theirs = MOVQGAN.from_ours(weights).weights
    both = theirs | averages(theirs, plus=1)
    raw, ema = (MOVQGAN.to_ours(both, ema=flag).weights for flag in (False, True))
    assert equal(raw, weights)
    expected = {
        key: value if key.startswith('discriminator.') else value + 1
        for key, value in weights.items()
    }
    assert equal(ema, expected)
    with pytest.raises(ConversionError, match='ema:True asks for .* there are none'):
        MOVQGAN.to_ours(theirs, ema=True)


@pytest.mark.parametrize(
    ('name', 'target', 'loss'),
    [
        ('movq f4 deep', 'MOVQ', 'DummyLoss'),
        ('movq discriminator', 'MOVQ', 'VQLPIPSWithDiscriminator2'),
        ('f2', 'VQModel', 'DummyLoss'),
        ('gumbel', 'GumbelVQ', 'DummyLoss'),
    ],
)
def test_what_is_written(name, target, loss, tmp_path):
    model = networks.build(TINY[name])
    assert not MOVQGAN.obstacles(model)
    weights = MOVQGAN.from_ours(model.state_dict()).weights
    files = MOVQGAN.write(tmp_path / 'x.ckpt', weights, model, image_size=32)
    # Bare, since the published loader hands the whole file to its network.
    assert equal(torch.load(files[0], weights_only=True), weights)
    assert equal(reading.read(files[0], MOVQGAN).weights, weights)
    settings = yaml.safe_load(files[1].read_text())['model']
    assert settings['target'] == f'movqgan.models.vqgan.{target}'
    assert settings['params']['lossconfig']['target'].endswith(f'vqperceptual.{loss}')
    shapes = weights['quant_conv.weight'].shape[:2]
    embed_dim, z_channels = settings['params']['embed_dim'], 8
    assert (embed_dim, z_channels) == shapes
    assert settings['params']['ddconfig']['z_channels'] == z_channels


@pytest.mark.parametrize(
    ('changes', 'part'),
    [
        (dict(decoder=dict(stem_dim=6)), 'decoder: latent_dim=6, not 8'),
        (dict(groups=8), 'tokenizer.encoder: norm_groups 8'),
        (
            dict(pre_decode=dict(type='Connector', in_dim=4, out_dim=4)),
            'pre_decode: a 1x1 convolution before',
        ),
        (dict(quantizer=dict(type='GumbelQuantizer')), 'tokenizer.quantizer: not all'),
    ],
)
def test_what_the_format_cannot_hold(changes, part):
    parts = {k: changes.pop(k) for k in ('decoder', 'pre_decode') if k in changes}
    model = networks.movq(**changes)
    model['decoder'] |= parts.pop('decoder', {})
    found = MOVQGAN.obstacles(structure.build(model | parts))
    assert any(reason.startswith(part) for reason in found), found


def test_gumbel_codes_beside_a_modulated_decoder_are_read_but_not_written():
    model = networks.build(TINY['movq gumbel'])
    assert MOVQGAN.obstacles(model) == [
        'tokenizer.quantizer: GumbelQuantizer beside a MoVQDecoder'
    ]


@pytest.mark.parametrize('family', ['taming', 'llamagen', 'diffusers'])
def test_other_formats_have_no_modulated_decoder(family):
    found = FAMILIES[family].obstacles(structure.build(TINY['movq f2']))
    assert found[0] == 'decoder: MoVQDecoder is no ConvDecoder'


def test_a_missing_key_is_named():
    weights = MOVQGAN.from_ours(networks.build(TINY['movq f2']).state_dict()).weights
    del weights['decoder.mid.attn_1.norm.conv_b.bias']
    with pytest.raises(ConversionError, match='missing: decoder.mid.attention.norm.sh'):
        MOVQGAN.to_ours(weights)
    with pytest.raises(ConversionError, match='no rule knows these keys: .*conv_y'):
        TAMING.to_ours(weights)
