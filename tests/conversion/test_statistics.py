"""Others' statistics: their distances, their numbers to the bit, and their mistakes."""

import sys
import types
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from pytorch_fid import fid_score
from torch_fidelity import metric_fid

from tests.metrics.pooled_pixels import PooledPixels
from vq.conversion import statistics
from vq.conversion.rules import ConversionError
from vq.conversion.statistics import KINDS
from vq.metrics.frechet import Gaussian, frechet_distance
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import Statistics
from vq.pretrained.table import INCEPTION

DIM, NUMBER = 64, 150


def features(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(NUMBER, DIM, generator=generator)
    return mixed @ torch.rand(DIM, DIM, generator=generator) + seed


def moments(seed: int) -> tuple[Any, Any]:
    """Return mean and covariance as pytorch-fid computes them."""
    rows = features(seed).numpy()
    return np.mean(rows, axis=0), np.cov(rows, rowvar=False)


class Network(torch.nn.Identity):
    BLOCK_INDEX_BY_DIM = {DIM: 0}


def of_pytorch_fid(path, seed, monkeypatch):
    """Have pytorch-fid save statistics; only its network and pictures are left out."""
    monkeypatch.setattr(fid_score, 'InceptionV3', Network)
    monkeypatch.setattr(
        fid_score, 'compute_statistics_of_path', lambda *_: moments(seed)
    )
    named = path.with_name(f'{path.name}.npz')  # as numpy would call it
    fid_score.save_fid_stats([str(path.parent), str(named)], 1, 'cpu', DIM)
    named.rename(path)


def of_torch_fidelity(path, seed, _):
    """Have torch-fidelity fill its cache, and rename the file."""
    extractor = types.SimpleNamespace(get_name=lambda: 'inception')
    root = path.parent / 'cache'
    metric_fid.fid_featuresdict_to_statistics_cached(
        {'64': features(seed)},
        path.name,
        extractor,
        '64',
        cache=True,
        cache_root=str(root),
        verbose=False,
    )
    (file,) = root.iterdir()
    file.rename(path)


def of_clean_fid(path, seed, _):
    mu, sigma = moments(seed)
    with path.open('wb') as file:
        np.savez_compressed(file, mu=mu, sigma=sigma)


def of_adm(path, seed, _):
    mu, sigma = moments(seed)
    mu_s, sigma_s = moments(seed + 10)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)
    with path.open('wb') as file:
        np.savez(file, pictures, mu=mu, sigma=sigma, mu_s=mu_s, sigma_s=sigma_s)


class FIDStatistics(NamedTuple):
    mu: torch.Tensor
    sigma: torch.Tensor


def of_todd(path, seed, monkeypatch):
    """Save a tuple whose class cannot be imported when it is read."""
    module = types.ModuleType('stranger')
    monkeypatch.setitem(sys.modules, 'stranger', module)
    monkeypatch.setattr(FIDStatistics, '__module__', 'stranger')
    module.FIDStatistics = FIDStatistics  # type: ignore[attr-defined]
    torch.save(FIDStatistics(*map(torch.as_tensor, moments(seed))), path)
    monkeypatch.delitem(sys.modules, 'stranger')


WRITERS = {
    'pytorch-fid': of_pytorch_fid,
    'clean-fid': of_clean_fid,
    'adm': of_adm,
    'torch-fidelity': of_torch_fidelity,
    'todd': of_todd,
}


@pytest.mark.parametrize('name', KINDS)
def test_distances_are_those_of_the_caches(name, tmp_path, monkeypatch):
    found = []
    for seed in (1, 2):
        WRITERS[name](tmp_path / f'{seed}.x', seed, monkeypatch)
        path = tmp_path / f'{seed}.x'
        found.append(statistics.convert(KINDS[name], path, number=NUMBER))
    # In float64: with means in float32 they square differences in float32.
    (mu1, sigma1), (mu2, sigma2) = moments(1), moments(2)
    theirs = fid_score.calculate_frechet_distance(
        mu1.astype(np.float64), sigma1, mu2.astype(np.float64), sigma2
    )
    ours = frechet_distance(found[0].pooled, found[1].pooled)
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert found[0].pooled.mean.tolist() == mu1.tolist()  # exactly
    assert found[0].pooled.covariance.tolist() == sigma1.tolist()
    assert found[0].pooled.count == NUMBER
    protocol = found[0].protocol
    assert (protocol.extractor, protocol.resizer) == ('Inception 64', KINDS[name].rule)
    assert (protocol.weights, protocol.number) == (INCEPTION, NUMBER)
    assert (protocol.version, protocol.dataset) == (name, None)
    assert protocol.size == ('8x12' if name == 'adm' else None)
    assert (found[0].spatial is not None) is (name == 'adm')


@pytest.mark.parametrize('name', ['pytorch-fid', 'clean-fid', 'adm'])
def test_there_and_back_is_exact(name, tmp_path, monkeypatch):
    WRITERS[name](tmp_path / 'a.npz', 1, monkeypatch)
    converted = statistics.convert(KINDS[name], tmp_path / 'a.npz', number=NUMBER)
    converted.save(tmp_path / 'a.safetensors')
    loaded = Statistics.load(tmp_path / 'a.safetensors')
    statistics.export(KINDS[name], loaded, tmp_path / 'b.npz')
    with np.load(tmp_path / 'a.npz') as one, np.load(tmp_path / 'b.npz') as other:
        assert set(other.files) == set(one.files) - {'arr_0'}
        for key in other.files:
            assert np.array_equal(one[key].astype(np.float64), other[key])
    back = statistics.convert(KINDS[name], tmp_path / 'b.npz', number=NUMBER)
    assert frechet_distance(back.pooled, converted.pooled) == 0


def test_what_the_user_says_is_written_down(tmp_path, monkeypatch):
    of_clean_fid(tmp_path / 'x', 1, monkeypatch)
    kind = KINDS['clean-fid']
    fields = dict(dataset='ImageNet', split='val', size='256x256', resizer='other')
    protocol = statistics.convert(
        kind, tmp_path / 'x', number=9, fields=fields
    ).protocol
    assert protocol.to_dict().items() >= fields.items()
    assert protocol.unknown() == ['ids', 'crop']
    other = dict(extractor='CLIP')
    protocol = statistics.convert(kind, tmp_path / 'x', number=9, fields=other).protocol
    assert protocol.to_dict() == dict(extractor='CLIP', number=9, version='clean-fid')


@pytest.mark.parametrize(
    ('written', 'read', 'message'),
    [
        (
            'adm',
            'pytorch-fid',
            r'\(npz with sFID\) of mu, sigma, mu_s, .* layout of adm',
        ),
        (
            'pytorch-fid',
            'adm',
            r'\(npz\) of mu, sigma; .* layout of pytorch-fid and clean-fid',
        ),
        ('todd', 'torch-fidelity', r'\(named tuple\) of mu, sigma; .* layout of todd'),
        (
            'torch-fidelity',
            'todd',
            r'\(dict\) of mu, sigma; .* layout of torch-fidelity',
        ),
        (
            'clean-fid',
            'todd',
            r'\(npz\) of mu, sigma; .* layout of pytorch-fid and clean-fid',
        ),
    ],
)
def test_the_wrong_kind_is_told(written, read, message, tmp_path, monkeypatch):
    WRITERS[written](tmp_path / 'x', 1, monkeypatch)
    with pytest.raises(
        ConversionError, match=f'no cache of {read} but a file {message}'
    ):
        statistics.convert(KINDS[read], tmp_path / 'x', number=9)


def save(path, **arrays):
    with path.open('wb') as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        (dict(mu=np.ones(64)), r'\(npz\) of mu; there are no moments'),
        (dict(arr_0=np.ones(3)), r'\(npz\) of arr_0; there are no moments'),
        (dict(mu=np.ones(64), sigma=np.eye(63)), r'sigma \(d, d\), got \(64,\) and'),
        (dict(mu=np.ones((1, 64)), sigma=np.eye(64)), r'got \(1, 64\) and'),
        (dict(mu=np.ones(64), sigma=np.eye(64) * np.nan), 'mu or sigma holds NaN'),
        (
            dict(mu=np.ones(64), sigma=np.triu(np.ones((64, 64)))),
            'sigma is not symmetric, by up to 1',
        ),
        (dict(mu=np.ones(5), sigma=np.eye(5)), 'no layer of Inception has 5 features'),
    ],
)
def test_what_is_no_moments_is_refused(arrays, message, tmp_path):
    save(tmp_path / 'x', **arrays)
    with pytest.raises(ConversionError, match=message):
        statistics.convert(KINDS['pytorch-fid'], tmp_path / 'x', number=9)


def test_other_files_are_refused(tmp_path):
    kind = KINDS['torch-fidelity']
    (tmp_path / 'x').write_bytes(b'no archive')
    with pytest.raises(ConversionError, match='neither an .npz nor'):
        statistics.convert(kind, tmp_path / 'x', number=9)
    torch.save(torch.ones(3), tmp_path / 'y')  # its cache of features
    with pytest.raises(
        ConversionError, match=r'\(Tensor\) of no names; there are no mom'
    ):
        statistics.convert(kind, tmp_path / 'y', number=9)
    torch.save({'mu': 1, 'sigma': 2}, tmp_path / 'z')
    with pytest.raises(ConversionError, match='mu is no array but int'):
        statistics.convert(kind, tmp_path / 'z', number=9)
    save(tmp_path / 'o', mu=np.array([{}], object), sigma=np.eye(1))
    with pytest.raises(ConversionError, match='allow_pickle=False'):
        statistics.convert(KINDS['pytorch-fid'], tmp_path / 'o', number=9)
    with pytest.raises(ConversionError, match='of two images at least, got 1'):
        statistics.convert(kind, tmp_path / 'x', number=1)
    with pytest.raises(ConversionError, match="no field 'splt'.*did you mean `split`"):
        statistics.convert(kind, tmp_path / 'x', number=9, fields=dict(splt='val'))


def test_features_of_the_pictures_are_added(tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, 'BATCH_SIZE', 2)  # of three
    of_adm(tmp_path / 'x', 1, monkeypatch)
    of_pytorch_fid(tmp_path / 'y', 1, monkeypatch)
    fields = dict(extractor='PooledPixels', weights='random')
    found = statistics.convert(KINDS['adm'], tmp_path / 'x', number=9, fields=fields)
    statistics.add_features(found, tmp_path / 'x', PooledPixels())
    with np.load(tmp_path / 'x') as file:
        pictures = file['arr_0'].reshape(3, 2, 4, 2, 6, 3)
    averages = np.moveaxis(pictures.mean((2, 4)), -1, 1).reshape(3, 12) / 32
    assert found.features is not None
    np.testing.assert_allclose(found.features.numpy(), averages, rtol=1e-6)
    with pytest.raises(ConversionError, match='no features without pictures'):
        statistics.add_features(found, tmp_path / 'y', PooledPixels())
    other = statistics.convert(KINDS['adm'], tmp_path / 'x', number=9)
    with pytest.raises(ConversionError, match='another network: .*there Inception 64'):
        statistics.add_features(other, tmp_path / 'x', PooledPixels())


@pytest.mark.parametrize(
    ('name', 'resizer', 'message'),
    [
        ('clean-fid', 'tensorflow', "by the rule 'clean-fid', and .* of 'tensorflow'"),
        ('todd', None, 'reads pickles.* pytorch-fid, clean-fid, adm'),
        ('adm', 'tensorflow', 'adm needs an inner map'),
    ],
)
def test_exports_that_would_mislead(name, resizer, message, tmp_path):
    gaussian = Gaussian(torch.ones(3).double(), torch.eye(3).double(), 9)
    made = Statistics(Protocol(resizer=resizer), gaussian)
    with pytest.raises(ConversionError, match=message):
        statistics.export(KINDS[name], made, tmp_path / 'x.npz')
    assert not list(tmp_path.iterdir())
