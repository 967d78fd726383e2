"""The command: settings in, a config out, an account on the screen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.settings import small
from tests.tools.loading import load_tool
from vq.config import load

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'convert_config.py'


@pytest.fixture(scope='module')
def tool():
    """Return the tool as a module."""
    return load_tool('convert_config')


@pytest.fixture
def settings(tmp_path):
    """Return a file of small settings, its data set a table."""
    tree = small() | dict(data=dict(train=dict(df_path='x.csv', batch_size=3)))
    tree['model']['base_learning_rate'] = '1e-5'
    path = tmp_path / 'small.yaml'
    path.write_text(json.dumps(tree | dict(odd=1)))
    return path


def test_convert(tool, settings, capsys, monkeypatch):
    monkeypatch.chdir(settings.parent)
    tool.main(['small.yaml', '--out', 'mine.py', '--gpus', '4'])
    told = capsys.readouterr().out
    assert 'written: mine.py' in told and 'the network of small.yaml' in told
    assert [line.split()[-4:] for line in told.splitlines() if line[:4] == 'odd '] == [
        ['carried', 'not', 'known', 'here']
    ]
    trainer = load(settings.with_name('mine.py')).trainer
    assert trainer.dataloader.batch_size == 12
    assert trainer.optimizers.generator.lr == 1.2e-4
    tool.main(['small.yaml', '--out', 'other.py', '--gpus', '4', '--no-scale-lr'])
    trainer = load(settings.with_name('other.py')).trainer
    assert trainer.optimizers.generator.lr == 1e-5


def test_without_a_place_the_config_is_shown(tool, settings, capsys):
    before = sorted(settings.parent.iterdir())
    tool.main([str(settings)])
    assert 'model = dict(' in capsys.readouterr().out
    assert sorted(settings.parent.iterdir()) == before


def test_nothing_is_overwritten(tool, settings):
    out = settings.with_name('mine.py')
    out.write_text('mine')
    with pytest.raises(SystemExit, match='says something else: move it away'):
        tool.main([str(settings), '--out', str(out)])
    assert out.read_text() == 'mine'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--kind', 'llamagen'], '0 commands of llamagen'),
        (['--kind', 'x'], 'kind is one of'),
        (['--check', 'nowhere.ckpt'], 'nowhere.ckpt does not exist'),
    ],
)
def test_mistakes_are_told_in_a_line(tool, settings, words, message):
    with pytest.raises(SystemExit, match=message):
        tool.main([str(settings), *words])


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'usage: convert_config.py' in done.stdout
    assert not [line for line in done.stderr.splitlines() if line.endswith(' torch')]
