"""`vq.export`, as it is typed."""

import pytest

from tests.conversion import networks
from tests.conversion.networks import equal
from vq import export
from vq.checkpoints import read_weights
from vq.checkpoints.files import write_weights
from vq.cli import export_parser
from vq.config import load
from vq.conversion import FAMILIES, configs, reading


@pytest.fixture
def run(tmp_path):
    """Return the command, run on a tiny network's config and weights."""
    model = networks.DDCONFIGS['f2']
    weights = networks.build(model).state_dict()
    config = tmp_path / 'tiny.py'
    config.write_text(configs.text(model, 'Tiny.'))
    write_weights(tmp_path / 'model', weights)

    def call(*words):
        files = [str(tmp_path / 'model.pth')]
        args = [str(config), *words, '--load-model-from', *files]
        export.run(export_parser().parse_args(args))
        return weights

    return call


def test_taming(run, tmp_path):
    weights = run('--format', 'taming', '--out', str(tmp_path / 'x.ckpt'))
    theirs = reading.read(tmp_path / 'x.ckpt', FAMILIES['taming']).weights
    assert equal(FAMILIES['taming'].to_ours(theirs).weights, weights)
    assert 'resolution: 256' in (tmp_path / 'x.yaml').read_text()
    assert (tmp_path / 'x.ckpt.json').is_file()


def test_overrides_count(run, tmp_path):
    name = '.trainer.model.tokenizer.quantizer.normalize'
    words = ['--format', 'taming', '--out', str(tmp_path / 'x.ckpt')]
    with pytest.raises(ValueError, match='taming cannot hold'):
        run(*words, '--override', f'{name}:True')
    with pytest.raises(ValueError, match="no format 'tamming'"):
        run('--format', 'tamming')


def test_a_folder_needs_nothing_else(run, tmp_path):
    out = tmp_path / 'v1.0'
    gone = f'.trainer.weights::{tmp_path / "gone.pth"}'
    weights = run('--out', str(out), '--override', gone)
    assert equal(read_weights([out / 'model.safetensors']), weights)
    config = load(out / 'config.py')
    assert config.trainer.model == load(tmp_path / 'tiny.py').trainer.model
    assert config.trainer.weights == []
    run('--out', str(out), '--override', gone)  # the same again is no harm
    with pytest.raises(ValueError, match='config.py is there already'):
        run('--out', str(out), '--override', '.trainer.iters:5')
    run('--out', str(tmp_path / 'x.safetensors'))
    assert equal(read_weights([tmp_path / 'x.safetensors']), weights)
