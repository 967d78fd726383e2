"""BEiT v2's tokenizers in our words and back: tiny, golden and full-size."""

import json

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal, published
from tests.golden_cases import cases
from tests.models.golden import Case
from vq import config, paths
from vq.checkpoints import check_fit, read_weights
from vq.conversion import FAMILIES, ConversionError, beitv2, configs, output, structure

BEIT = FAMILIES['beitv2']
SIZES = {'1x768x12_clip': 194, '1x768x12_dino': 194, '3x768x12_clip': 220}
FULL = [f'beit2_vqkd_encoder_base_decoder_{name}_as_tokenizer' for name in SIZES]
UNUSED = ['quantize.embedding.cluster_size', 'quantize.embedding.embed_avg']


def shipped(teacher):
    """Return the model of a shipped config."""
    path = paths.ROOT / f'configs/vqkd/{teacher}_8192_imagenet_ddp.py'
    return config.load(path).trainer.model


def training(weights):
    """Add what a training checkpoint holds beside the network."""
    return weights | {
        'scaling_layer.shift': torch.ones(1),
        'teacher_model.visual.proj': torch.ones(2),
    }


def test_there_and_back():
    weights = networks.build(networks.VQKD).state_dict()
    theirs = BEIT.from_ours(weights).weights
    ours = BEIT.to_ours(theirs, with_decoder=True)
    assert equal(ours.weights, weights)
    assert sorted(ours.dropped) == UNUSED
    assert equal(BEIT.from_ours(ours.weights).weights, theirs)
    assert BEIT.model_config(theirs, with_decoder=True) == networks.VQKD


@cases('05a_')
def test_golden_network(path):
    case = Case(path)
    ours = BEIT.to_ours(training(case.weights), with_decoder=True)
    back = BEIT.from_ours(ours.weights).weights
    for key in UNUSED:
        assert back[key].shape == case.weights[key].shape
        back[key] = case.weights[key]
    assert equal(back, case.weights)
    assert {key.split('.')[0] for key in ours.dropped} == {
        'quantize',
        'scaling_layer',
        'teacher_model',
    }


@pytest.mark.parametrize('name', FULL)
def test_full_size_keys_are_all_accounted_for(name):
    weights = training(published(name))
    renamed = BEIT.to_ours(weights, with_decoder=True)
    assert set(renamed.mapped.values()) | set(renamed.dropped) == set(weights)
    assert not set(renamed.mapped.values()) & set(renamed.dropped)
    assert len(renamed.mapped) == SIZES[name[32:-13]] - len(UNUSED)
    teacher = name.split('_')[-3]
    wanted = structure.without_losses(shipped(teacher))
    if '3x768' in name:
        wanted['decoder']['depth'] = 3
    model = structure.build(wanted)
    model.load_state_dict(renamed.weights, assign=True, strict=True)
    read = structure.build(beitv2.vqkd_config(renamed.weights))
    assert repr(read) == repr(model)
    found = BEIT.model_config(weights, with_decoder=True)['teacher']
    assert found == shipped(teacher).teacher
    restored = BEIT.from_ours(renamed.weights).weights
    assert set(restored) == set(published(name))


@pytest.mark.parametrize('name', FULL)
def test_without_its_decoder_it_is_a_tokenizer(name):
    """Nothing of the decoder is left, under no name at all."""
    weights = published(name)
    renamed = BEIT.to_ours(weights)
    assert all(key.startswith('tokenizer.') for key in renamed.weights)
    tokenizer = structure.build(shipped('clip').tokenizer)
    assert set(renamed.weights) == {f'tokenizer.{k}' for k in tokenizer.state_dict()}
    left_out = {key for key in renamed.dropped if key.startswith('decode')}
    assert left_out == {key for key in weights if key.startswith('decode')}
    assert set(renamed.mapped.values()) | set(renamed.dropped) == set(weights)
    assert BEIT.model_config(weights) is None


@pytest.mark.parametrize('name', FULL)
def test_the_shipped_config_of_the_same_teacher_is_chosen(name):
    """Others' features are as wide as DINO's."""
    model = BEIT.model_config(published(name), with_decoder=True)
    found = configs.choose(model)
    if '3x768' in name:
        assert found is None  # the shipped decoders are of one block
    else:
        assert config.load(found).trainer.model.teacher == model['teacher']
        assert 'imagenet' in found.stem


def test_files_with_and_without(tmp_path):
    weights = networks.build(networks.VQKD).state_dict()
    path = tmp_path / 'x.pth'
    BEIT.write(path, BEIT.from_ours(weights).weights, None, image_size=32)
    done = output.convert(path, BEIT, out=tmp_path / 'x.pth.converted')
    alone = {k: v for k, v in weights.items() if k.startswith('tokenizer.')}
    assert equal(read_weights([done.file]), alone)
    assert (done.source.container, done.config) == ('model', None)
    record = json.loads((tmp_path / 'x.pth.converted.json').read_text())
    assert record['options'] == dict(with_decoder=False)
    whole = output.convert(
        path, BEIT, out=tmp_path / 'whole', options=dict(with_decoder=True)
    )
    assert equal(read_weights([whole.file]), weights)
    loaded = config.load(whole.config).trainer
    assert loaded.model.to_dict() == networks.VQKD
    check_fit(structure.build(loaded.model), weights, whole.file)
    assert loaded.optimizers['generator'].type == 'AdamW'


def test_what_is_missing_or_unknown_is_named():
    theirs = BEIT.from_ours(networks.build(networks.VQKD).state_dict()).weights
    alone = {k: v for k, v in theirs.items() if not k.startswith('decode')}
    assert BEIT.to_ours(alone).weights.keys() == BEIT.to_ours(theirs).weights.keys()
    with pytest.raises(ConversionError, match=r'missing: decoder\.trunk'):
        BEIT.to_ours(alone, with_decoder=True)
    lacking = {k: v for k, v in alone.items() if k != 'encoder.fc_norm.bias'}
    with pytest.raises(ConversionError, match=r'missing: encoder\.trunk\.norm\.bias'):
        BEIT.to_ours(lacking)
    with pytest.raises(ConversionError, match='no rule knows these keys: encoder.norm'):
        BEIT.to_ours(alone | {'encoder.norm.bias': torch.ones(1)})
    with pytest.raises(ConversionError, match="no option 'decoder'.*with_decoder"):
        BEIT.to_ours(theirs, decoder=True)


@pytest.mark.parametrize(
    ('part', 'change', 'reason'),
    [
        ('decoder', dict(out_patch=2), 'decoder: out_patch 2, not 1'),
        ('tokenizer', None, 'model: VQGAN is no VQKD'),
        (
            'tokenizer',
            dict(quantizer=dict(type='VectorQuantizer', codebook_size=16, dim=4)),
            'tokenizer.quantizer: VectorQuantizer is no NormEMAQuantizer',
        ),
    ],
)
def test_what_the_format_cannot_hold(part, change, reason):
    changed = networks.autoencoder()
    if change is not None:
        changed = networks.VQKD | {part: networks.VQKD[part] | change}
    assert BEIT.obstacles(structure.build(changed)) == [reason]
    assert not BEIT.obstacles(structure.build(networks.VQKD))
