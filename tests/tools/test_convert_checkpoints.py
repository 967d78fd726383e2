"""The command: a published file in, three files out, and what it says."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal
from tests.tools.loading import load_tool
from vq.checkpoints import only, read_weights
from vq.conversion import FAMILIES, configs, export, parity

ROOT = Path(__file__).parents[2]
CODES = networks.autoencoder(width=8, groups=4)
TOOL = ROOT / 'tools' / 'convert_checkpoints.py'


@pytest.fixture(scope='module')
def tool():
    """Return the tool as a module."""
    return load_tool('convert_checkpoints')


@pytest.fixture
def published(tmp_path):
    """Return a published file of a tiny LlamaGen, and its weights by our names."""
    weights = networks.build(networks.DDCONFIGS['f2']).state_dict()
    theirs = FAMILIES['llamagen'].from_ours(weights).weights
    torch.save({'model': theirs}, tmp_path / 'vq.pt')
    return tmp_path / 'vq.pt', weights


def test_convert_and_check(tool, published, capsys, monkeypatch):
    monkeypatch.setattr(parity, 'SIDE', 32)
    path, weights = published
    tool.main(['llamagen', str(path)])
    assert equal(read_weights([path.with_name('vq.pt.converted')]), weights)
    told = capsys.readouterr().out
    assert "under 'model'" in told and f'mapped {len(weights)}, dropped 1' in told
    config = path.with_name('vq.pt.converted.py')
    assert f'config written: {config}' in told
    tool.main(['llamagen', str(path), '--check', str(config)])
    told = capsys.readouterr().out
    assert f'loaded {len(weights)}, missing 0' in told and 'is finite' in told


def test_options_suffix_and_out(tool, published, monkeypatch):
    path, weights = published
    tool.main(['llamagen', str(path), '--suffix', '.x', '--options', 'normalize:False'])
    assert equal(read_weights([path.with_name('vq.pt.x')]), weights)
    assert 'normalize=False' in path.with_name('vq.pt.x.py').read_text()
    monkeypatch.chdir(path.parent)
    tool.main(['llamagen', str(path), '--out', 'y.safetensors', '--container', 'model'])
    assert equal(read_weights([path.with_name('y.safetensors')]), weights)


def test_beitv2_with_its_decoder_and_without(tool, tmp_path, capsys):
    weights = networks.build(networks.VQKD).state_dict()
    path = tmp_path / 'vqkd.pth'
    torch.save({'model': FAMILIES['beitv2'].from_ours(weights).weights}, path)
    words = ['beitv2', str(path), '--options']
    tool.main([*words, 'with_decoder:False'])
    alone = {k: v for k, v in weights.items() if k.startswith('tokenizer.')}
    assert equal(read_weights([tmp_path / 'vqkd.pth.converted']), alone)
    assert '--options with_decoder:True keeps it' in capsys.readouterr().out
    suffix = '.converted.with_decoder'
    tool.main([*words, 'with_decoder:True', '--suffix', suffix])
    assert equal(read_weights([tmp_path / f'vqkd.pth{suffix}']), weights)


def test_a_transformer_is_checked_by_itself(tool, tmp_path, capsys):
    model = networks.build(networks.LLAMA)
    form = export.Format('transformers')
    lines = export.export(
        networks.LLAMA, only(model.state_dict(), form.parts), form, out=tmp_path / 'x'
    )
    assert len(lines) == 1
    (tmp_path / 'tokenizer.py').write_text(configs.text(CODES, 'Of 16 codes.'))
    tool.main(
        [
            *('transformers', str(tmp_path / 'x')),
            *('--check', str(tmp_path / 'x.converted.py')),
            *('--config-options', f'ir_config::{tmp_path}/tokenizer.py'),
        ]
    )
    told = capsys.readouterr().out
    number = len(only(model.state_dict(), form.parts))
    assert f'loaded {number}, missing 0, unexpected 0' in told
    assert 'logits of 6 tokens are finite' in told


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['lamagen'], "no family 'lamagen'.*llamagen"),
        (['taming'], 'no rule knows these keys: encoder.conv_blocks.0'),
        (['llamagen', '--options', 'decoder:True'], "no option 'decoder'"),
        (['llamagen', '--options', 'normalize'], 'normalize'),
        (['llamagen', '--check', 'configs/nowhere.py'], 'configs/nowhere.py'),
        (['llamagen', '--check', 'configs/demo/vqgan_digits.py'], 'of another model'),
    ],
)
def test_mistakes_are_told_in_a_line(tool, published, words, message):
    path, _ = published
    with pytest.raises(SystemExit, match=message) as caught:
        tool.main([words[0], str(path), *words[1:]])
    assert 'Traceback' not in str(caught.value)


def test_every_flag_parses(tool):
    words = ['llamagen', 'x.pt', '--options', 'normalize:False', '--check', 'c.py']
    found = vars(tool.parser().parse_args(words))
    assert (found['family'], found['path'], found['check']) == (*words[:2], 'c.py')
    assert (found['options'], found['suffix']) == (['normalize:False'], '.converted')
    assert (found['out'], found['container']) == (None, '')


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'usage: convert_checkpoints.py' in done.stdout
    assert not [line for line in done.stderr.splitlines() if line.endswith(' torch')]
