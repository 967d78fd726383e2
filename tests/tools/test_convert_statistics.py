"""The command: another program's cache in, statistics of ours out, and back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from tests.models.extractors.weights import write_inception
from tests.tools.loading import load_tool
from vq import paths
from vq.checkpoints.files import sha256
from vq.metrics.statistics import Statistics
from vq.models.extractors import InceptionExtractor

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'convert_statistics.py'


@pytest.fixture(scope='module')
def tool():
    """Return the tool as a module."""
    return load_tool('convert_statistics')


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A stand-in for the repository."""
    monkeypatch.delenv('PRETRAINED', raising=False)
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    return tmp_path


def moments(dim):
    rows = np.random.default_rng(3).standard_normal((dim + 9, dim))
    return np.mean(rows, 0), np.cov(rows, rowvar=False)


@pytest.fixture
def cache(root):
    """Return a file as pytorch-fid writes it."""
    mu, sigma = moments(192)
    np.savez_compressed(root / 'cats.npz', mu=mu, sigma=sigma)
    return root / 'cats.npz'


def test_convert_and_export(tool, root, cache, capsys):
    words = ['pytorch-fid', str(cache), '--number', '70']
    fields = ['dataset:Cats', 'size:64x64', 'crop::CenterCrop(size=64)']
    tool.main([*words, '--field', *fields])
    found = Statistics.load(root / 'pretrained' / 'fid' / 'cats.safetensors')
    with np.load(cache) as file:
        assert found.pooled.mean.tolist() == file['mu'].tolist()
        assert found.pooled.covariance.tolist() == file['sigma'].tolist()
    assert (found.protocol.dataset, found.protocol.number) == ('Cats', 70)
    assert found.protocol.crop == 'CenterCrop(size=64)'
    told = capsys.readouterr().out
    assert 'moments of 192 features' in told and 'resizer pytorch-fid' in told
    assert 'unknown, hence not compared: split, ids; --field' in told

    tool.main(['pytorch-fid', 'cats', '--export', '--out', str(root / 'back.npz')])
    with np.load(cache) as file, np.load(root / 'back.npz') as back:
        assert all(np.array_equal(file[key], back[key]) for key in ('mu', 'sigma'))
    tool.main([*words, '--name', 'dogs'])
    assert (root / 'pretrained' / 'fid' / 'dogs.json').is_file()


def test_features_of_the_pictures(tool, root, capsys):
    weights = write_inception(root / 'random.pth')
    pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), np.uint8)
    (mu, sigma), (mu_s, sigma_s) = (np.ones(2048), np.eye(2048)), moments(5)
    np.savez(root / 'a.npz', pictures, mu=mu, sigma=sigma, mu_s=mu_s, sigma_s=sigma_s)
    words = ['adm', 'a.npz', '--number', '9', '--features', '--weights', str(weights)]
    tool.main([*words, '--field', f'weights:{sha256(weights)}'])
    found = Statistics.load(root / 'pretrained' / 'fid' / 'a.safetensors')
    extractor = InceptionExtractor(rule='tensorflow', weights=str(weights))
    extractor.load_pretrained()
    want = extractor(rearrange(torch.tensor(pictures), 'n h w c -> n c h w')).pooled
    assert found.features is not None
    torch.testing.assert_close(found.features, want)
    assert found.protocol.size == '20x24'
    assert 'and 2 features' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], r'of how many images.*pass --number \(ImageNet: 50000 val'),
        (['--number', '9', '--field', 'split'], "NAME:VALUE, got 'split'"),
        (['--number', '9', '--field', 'spilt:a'], 'did you mean `split`'),
        (['--number', '9', '--features'], 'prepare_checkpoints.py pytorch_fid'),
    ],
)
def test_mistakes_are_told_in_a_line(tool, cache, words, message):
    with pytest.raises(SystemExit, match=message) as caught:
        tool.main(['pytorch-fid', str(cache), *words])
    assert 'Traceback' not in str(caught.value)


def test_unknown_kinds_and_files(tool, cache):
    with pytest.raises(SystemExit, match="no kind 'pytorch_fid'.*`pytorch-fid`"):
        tool.main(['pytorch_fid', str(cache)])
    with pytest.raises(SystemExit, match='did you mean cats.npz'):
        tool.main(['pytorch-fid', 'cat.npz', '--number', '9'])
    with pytest.raises(SystemExit, match='is missing; make it'):
        tool.main(['pytorch-fid', 'nothing_val', '--export'])


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'usage: convert_statistics.py' in done.stdout
    assert not [line for line in done.stderr.splitlines() if line.endswith(' torch')]
