"""What a conversion writes: the same tensors, a record, nothing over other files."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

from tests.conversion import networks
from tests.conversion.networks import equal
from vq import config
from vq.checkpoints import CheckpointError, read_weights
from vq.conversion import FAMILIES, ConversionError, output

TAMING = FAMILIES['taming']


@pytest.fixture
def published(tmp_path):
    """Return a published file of a tiny network, and its weights by our names."""
    weights = networks.build(networks.DDCONFIGS['discriminator']).state_dict()
    theirs = TAMING.from_ours(weights).weights
    theirs['loss.perceptual_loss.lin0.model.1.weight'] = torch.ones(1)
    torch.save({'state_dict': theirs, 'epoch': 3}, tmp_path / 'x.ckpt')
    return tmp_path / 'x.ckpt', weights


def convert(path, suffix='.converted', **changes):
    out = path.with_name(path.name + suffix)
    return output.convert(path, TAMING, out=out, **changes)


def test_the_weights_are_ours_and_the_config_loads(published):
    path, weights = published
    done = convert(path)
    assert equal(read_weights([done.file]), weights)
    assert done.written and done.config.name == 'x.ckpt.converted.py'
    config.check(config.load(done.config))
    (path.parent / 'any').touch()  # who may read this may read ours
    modes = [p.stat().st_mode for p in (done.file, path.parent / 'any')]
    assert modes[0] == modes[1]


def test_the_record(published):
    path, weights = published
    done = convert(path)
    record = json.loads(path.with_name('x.ckpt.converted.json').read_text())
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, done.file)]
    assert [record['source_sha256'], record['output_sha256']] == digests
    assert record['dropped'] == {
        'loss.perceptual_loss.lin0.model.1.weight': 'LPIPS is frozen: it is read from '
        'its own files'
    }
    assert (record['mapped'], record['source_size']) == (
        len(weights),
        path.stat().st_size,
    )
    assert (record['family'], record['container']) == ('taming', 'state_dict')
    assert (record['not_used'], record['config_written']) == (['epoch'], True)
    assert set(record['versions']) >= {'vq', 'torch', 'python'}
    told = output.told(done)
    assert 'dropped 1\n  1: LPIPS is frozen' in told and "under 'state_dict'" in told


def test_twice_is_once_and_other_files_are_left_alone(published):
    path, _ = published
    first = convert(path)
    content = first.file.read_bytes()
    assert convert(path).file.read_bytes() == content
    first.file.write_bytes(b'something else')
    with pytest.raises(ConversionError, match='is there already and holds something'):
        convert(path)
    assert first.file.read_bytes() == b'something else'
    assert convert(path, '.other').file.read_bytes() == content
    convert(path, '.other').config.write_text('mine')
    with pytest.raises(ConversionError, match='says something else'):
        convert(path, '.other')
    assert not [p for p in path.parent.iterdir() if p.name.startswith('.')]


def test_tensors_that_share_memory(tmp_path):
    whole = torch.arange(6.0).reshape(2, 3)
    weights = {'a': whole, 'b': whole, 'c': whole.T, 'd': whole[1].expand(4, 3)}
    output.write_weights(tmp_path / 'x', weights)
    assert equal(load_file(tmp_path / 'x'), weights)


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError('no space')

    monkeypatch.setattr(output, 'write_safetensors', full)
    with pytest.raises(CheckpointError, match='cannot be written: no space'):
        output.write_weights(tmp_path / 'x', {'a': torch.ones(1)})
    assert not list(tmp_path.iterdir())
