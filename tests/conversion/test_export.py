"""Exports: each format reads back to the same weights, or says what it cannot hold."""

import json

import pytest

from tests.conversion import networks
from tests.conversion.networks import equal
from vq.checkpoints import (
    CheckpointError,
    FrozenPart,
    WeightFile,
    gather,
    only,
    read_weights,
    state_hash,
)
from vq.conversion import FAMILIES, ConversionError, export, reading

CONFIG = networks.DDCONFIGS['f4 deep']
CONFIGS = dict.fromkeys(export.names(), CONFIG) | dict(
    beitv2=networks.VQKD, llamagen_gpt=networks.LLAMAGEN, transformers=networks.LLAMA
)
# What makes a family keep the whole model, and what no weight tells.
OPTIONS = dict(beitv2=dict(with_decoder=True), llamagen_gpt=dict(grid=(3, 3), heads=2))


def exported(config, name, folder, **changes):
    form = export.Format(name)
    weights = networks.build(config).state_dict()
    out = folder / form.file
    lines = export.export(config, weights, form, out=out, image_size=32, **changes)
    return weights, out, lines


@pytest.mark.parametrize('name', export.names())
def test_every_format_reads_back(name, tmp_path):
    sources = [tmp_path / 'm.pth']
    weights, out, lines = exported(CONFIGS[name], name, tmp_path, sources=sources)
    if name == 'safetensors':
        assert equal(read_weights([out]), weights)
    else:
        family = FAMILIES[name]
        source = reading.read(out, family)
        weights = only(weights, family.parts) if family.parts else weights
        options = family.told(source.settings) | OPTIONS.get(name, {})
        renamed = family.to_ours(source.weights, **options)
        assert equal(renamed.weights, weights)
    record = json.loads((tmp_path / f'{out.name}.json').read_text())
    assert record['state_hash'] == state_hash(weights)
    assert record['sources'] == [str(tmp_path / 'm.pth')]
    assert lines[0].startswith(f'{len(weights)} tensors to ')


def test_what_is_left_out_and_changed_is_told(tmp_path):
    _, _, lines = exported(networks.DDCONFIGS['discriminator'], 'diffusers', tmp_path)
    assert lines[1].startswith('left out 10: the format has no place')
    sphere = networks.autoencoder(quantizer=dict(normalize=True))
    _, _, lines = exported(sphere, 'diffusers', tmp_path / 'other')
    assert lines[1].startswith('codes have length 1')


def test_a_format_that_cannot_hold_a_part_names_it_and_those_that_can(tmp_path):
    sphere = networks.autoencoder(quantizer=dict(normalize=True))
    with pytest.raises(
        ConversionError,
        match=r'taming cannot hold this model: tokenizer.quantizer: .*'
        r'that can: safetensors, llamagen, diffusers',
    ):
        exported(sphere, 'taming', tmp_path)
    bare = networks.autoencoder(refine=False)
    with pytest.raises(ConversionError, match=r'refine=False.*that can: safetensors$'):
        exported(bare, 'llamagen', tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_format_of_one_part_names_the_files_of_the_others(tmp_path):
    model = networks.build(networks.LLAMA)
    state = state_hash(model.tokenizer.state_dict())
    frozen = {'tokenizer': FrozenPart(state, (WeightFile('t.pth', 'hash'),))}
    export_of = {}
    for name in ('transformers', 'safetensors'):
        exported(networks.LLAMA, name, tmp_path, frozen=frozen)
        file = tmp_path / f'{export.Format(name).file}.json'
        export_of[name] = json.loads(file.read_text())
    part = only(model.state_dict(), ['transformer'])
    assert export_of['transformers']['state_hash'] == state_hash(part)
    files = [record['frozen']['tokenizer']['files'] for record in export_of.values()]
    assert files == [[{'path': 't.pth', 'sha256': 'hash'}], []]
    with pytest.raises(
        ConversionError,
        match=r'diffusers cannot hold this model: transformer: this is a format of tok'
        r'.*that can: safetensors, transformers$',
    ):
        exported(networks.LLAMA, 'diffusers', tmp_path)


def test_random_weights_in_a_dry_run(tmp_path):
    form = export.Format('taming')
    lines = export.export(CONFIG, None, form, out=tmp_path / 'x.ckpt')
    ours = FAMILIES['taming'].to_ours(
        reading.read(tmp_path / 'x.ckpt', FAMILIES['taming']).weights
    )
    assert lines and set(ours.weights) == set(networks.build(CONFIG).state_dict())


def test_wrong_names_weights_and_places(tmp_path):
    with pytest.raises(ConversionError, match=r"no format 'difusers'.*diffusers"):
        export.Format('difusers')
    with pytest.raises(ConversionError, match="no format 'lpips'"):
        export.Format('lpips')
    other = networks.build(networks.DDCONFIGS['f2']).state_dict()
    out = tmp_path / 'x.ckpt'
    with pytest.raises(CheckpointError, match='is of another model'):
        export.export(CONFIG, other, export.Format('taming'), out=out)
    out.write_text('mine')
    with pytest.raises(ConversionError, match='is there already'):
        export.export(CONFIG, None, export.Format('taming'), out=out)
    assert out.read_text() == 'mine'
    out = tmp_path / 'folder'
    export.export(CONFIG, None, export.Format('diffusers'), out=out)
    with pytest.raises(ConversionError, match='is there already'):
        export.export(CONFIG, None, export.Format('diffusers'), out=out)


def test_frozen_parts_are_those_of_the_checkpoint_and_then_in_the_file(tmp_path):
    weights = networks.build(CONFIG).state_dict()
    state = state_hash(networks.build(CONFIG).tokenizer.state_dict())
    file = WeightFile('t.pth', 'hash')
    exported(
        CONFIG,
        'safetensors',
        tmp_path,
        frozen={'tokenizer': FrozenPart(state, (file,))},
    )
    record = json.loads((tmp_path / 'model.safetensors.json').read_text())
    assert record['frozen'] == {'tokenizer': {'files': [], 'state': state}}
    found = gather([tmp_path / 'model.safetensors'], frozen=['tokenizer'])
    assert equal(found.weights, weights)
    with pytest.raises(CheckpointError, match='frozen tokenizer is another one'):
        exported(
            CONFIG, 'safetensors', tmp_path, frozen={'tokenizer': FrozenPart('other')}
        )
