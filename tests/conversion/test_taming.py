"""Published VQGANs in our words and back: tiny, golden and full-size, key by key."""

import json

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal, published
from tests.golden_cases import cases
from tests.models.golden import Case
from vq import config, paths
from vq.conversion import FAMILIES, ConversionError, configs, structure, taming
from vq.registry import MODELS

TAMING = FAMILIES['taming']
TINY = networks.DDCONFIGS | networks.TAMING_ONLY
DDCONFIG = dict(
    z_channels=256,
    resolution=256,
    in_channels=3,
    out_ch=3,
    ch=128,
    ch_mult=[1, 1, 2, 2, 4],
    num_res_blocks=2,
    attn_resolutions=[16],
)
FULL = {
    'taming_vqgan_imagenet_f16_1024': '1024_imagenet_ddp',
    'taming_vqgan_imagenet_f16_16384': '16384_dd2_aglwg075_imagenet_ddp',
    'taming_gumbel_openimages_f8_8192': None,
}


@pytest.mark.parametrize('name', TINY)
def test_there_and_back(name):
    model = networks.build(TINY[name])
    weights = model.state_dict()
    theirs = TAMING.from_ours(weights)
    ours = TAMING.to_ours(theirs.weights)
    assert equal(ours.weights, weights)
    assert not theirs.dropped and not ours.dropped and not TAMING.obstacles(model)
    again = MODELS.build(
        dict(TAMING.model_config(theirs.weights), reconstruction_losses={})
    )
    again.load_state_dict(ours.weights)
    image = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(again.eval()(image).image, model(image).image)


@cases('01a_')
def test_golden_weights_there_and_back(path):
    weights = Case(path).weights
    ours = TAMING.to_ours(weights)
    assert equal(TAMING.from_ours(ours.weights).weights, weights)
    encoder = TAMING.model_config(weights)['tokenizer']['encoder']
    expected = taming.encoder_config(Case(path).config['ddconfig'])
    assert {key: encoder[key] for key in expected} == expected


@cases('01a_')
def test_golden_decoder_is_inferred(path):
    case = Case(path)
    decoder = TAMING.model_config(case.weights)['decoder']
    expected = taming.decoder_config(case.config['ddconfig'])
    assert {key: decoder[key] for key in expected} == expected


@pytest.mark.parametrize('name', FULL)
def test_full_size_keys_are_all_accounted_for(name):
    weights = published(name)
    renamed = TAMING.to_ours(weights)
    assert set(renamed.mapped.values()) | set(renamed.dropped) == set(weights)
    assert len(renamed.dropped) == 33 and len(set(renamed.dropped.values())) == 1
    shipped = FULL[name]
    inferred = TAMING.model_config(weights)
    if shipped:
        path = paths.ROOT / 'configs' / 'vqgan' / f'{shipped}.py'
        assert configs.choose(inferred) == path
        inferred = config.load(path).trainer.model
    model = structure.build(inferred)
    model.load_state_dict(renamed.weights, assign=True, strict=True)
    back = TAMING.from_ours(renamed.weights).weights
    assert {k: v.shape for k, v in back.items()} == {
        k: v.shape for k, v in weights.items() if k not in renamed.dropped
    }


def test_published_ddconfig_is_our_default():
    ours = config.load(paths.ROOT / 'configs' / 'vqgan' / '1024_imagenet_ddp.py')
    theirs = ours.trainer.model.copy()
    theirs.tokenizer.encoder = taming.encoder_config(DDCONFIG)
    theirs.decoder = taming.decoder_config(DDCONFIG)
    default = config.load(ours.path).trainer.model
    with torch.device('meta'):
        one, other = (MODELS.build(model) for model in (theirs, default))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (one, other)]
    assert shapes[0] == shapes[1]


def test_loss_alone_and_a_codebook_of_moving_averages():
    renamed = taming.table({}).to_ours(published('taming_vqlpips_loss_only'))
    assert len(renamed.mapped) == 22 and len(renamed.dropped) == 33
    weights = published('taming_emavq_quantize_n1024_d256')
    renamed = taming.table(weights).to_ours(weights)
    quantizer = MODELS.build(dict(type='EMAQuantizer', codebook_size=1024, dim=256))
    assert {k: v.shape for k, v in renamed.weights.items()} == {
        f'tokenizer.quantizer.{k}': v.shape for k, v in quantizer.state_dict().items()
    }
    assert not renamed.dropped


def test_a_missing_key_is_named():
    weights = TAMING.from_ours(networks.build(TINY['f2']).state_dict()).weights
    del weights['decoder.up.0.block.1.conv2.bias']
    with pytest.raises(
        ConversionError, match='missing: decoder.levels.1.blocks.1.conv2.b'
    ):
        TAMING.to_ours(weights)
    with pytest.raises(ConversionError, match='missing: tokenizer.encoder.stem.weight'):
        TAMING.to_ours({})


def test_what_is_written(tmp_path):
    model = networks.build(TINY['f4 deep'])
    weights = TAMING.from_ours(model.state_dict()).weights
    files = TAMING.write(tmp_path / 'x.ckpt', weights, model, image_size=32)
    content = torch.load(files[0], weights_only=True)
    assert set(content) == {'state_dict'} and equal(content['state_dict'], weights)
    lines = [line.strip() for line in files[1].read_text().splitlines()]
    values = dict(line.split(': ', 1) for line in lines if ': ' in line)
    given = {key: json.loads(value) for key, value in values.items()}
    assert (given['ch'], given['ch_mult'], given['num_res_blocks']) == (
        32,
        [1, 1, 2],
        2,
    )
    assert (given['attn_resolutions'], given['resolution']) == ([8], 32)
    assert (given['n_embed'], given['embed_dim'], given['z_channels']) == (16, 4, 8)


@pytest.mark.parametrize(
    ('changes', 'part'),
    [
        (dict(groups=8), 'tokenizer.encoder: norm_groups 8'),
        (dict(refine=False), 'decoder: refine=False'),
        (
            dict(quantizer=dict(normalize=True)),
            'tokenizer.quantizer: VectorQuantizer w',
        ),
        (
            dict(quantizer=dict(type='GumbelQuantizer')),
            'tokenizer.quantizer: not all of',
        ),
        (dict(decoder=dict(depth=1)), 'decoder: depth=1, not 2'),
        (dict(decoder=dict(width_mults=(2, 2))), 'decoder: width_mults'),
        (dict(decoder=dict(attention=())), 'decoder: attention'),
    ],
)
def test_what_the_format_cannot_hold(changes, part):
    found = TAMING.obstacles(structure.build(networks.autoencoder(**changes)))
    assert any(reason.startswith(part) for reason in found), found
