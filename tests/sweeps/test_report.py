"""A sweep's numbers are those of its folders; the table marks the best of them."""

import csv
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from tests.log import Records
from tests.metrics.pooled_pixels import PooledPixels
from tests.sweeps.folders import (
    config,
    generated,
    originals,
    write_point,
    write_reference,
)
from vq import paths
from vq.datasets import FolderDataset
from vq.metrics.inception_score import inception_score
from vq.metrics.neighbours import precision_recall
from vq.sweeps import Point, report
from vq.sweeps.measuring import FolderError, metric_configs

NOISES = (2.0, 30.0, 90.0)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the pictures: they take most of the time."""
    monkeypatch.setattr(
        importlib.import_module('vq.sweeps.report'), 'draw', lambda *_: False
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the repository, with the statistics of the data set."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    write_reference(tmp_path)
    return tmp_path


@pytest.fixture
def points(root: Path) -> list[Point]:
    return [write_point(root, noise) for noise in NOISES]


def features(folder: Path) -> Tensor:
    dataset = FolderDataset(data_root=str(folder), transforms=[])
    pixels = torch.stack([dataset.read(i) for i in range(len(dataset))])
    return PooledPixels()(pixels).pooled


def fid(x: Tensor, y: Tensor) -> float:
    a, b = (np.cov(z.double().numpy().T) for z in (x, y))
    apart = (x.double().mean(0) - y.double().mean(0)).square().sum().item()
    return float(apart + np.trace(a + b - 2 * sqrtm(a @ b).real))


@pytest.mark.usefixtures('undrawn')
def test_numbers_are_those_of_the_folders(root: Path, points: list[Point]) -> None:
    results = report(points, config=config(root), out=root / 'out')
    real = PooledPixels()(originals()).pooled
    for result, point in zip(results, points, strict=True):
        seen = features(point.folder)
        score = inception_score(seen, splits=2)
        near = precision_recall(seen, real)
        expected = dict(fid=fid(seen, real))
        expected |= {f'inception_score/{key}': v for key, v in score.items()}
        expected |= {f'precision_recall/{key}': v for key, v in near.items()}
        assert result.values == pytest.approx(expected, rel=1e-5, abs=1e-8)
        assert result.point is point

    with (root / 'out' / 'sweep.csv').open() as file:
        rows = [*csv.DictReader(file)]
    for row, result in zip(rows, results, strict=True):
        assert {key: float(row[key]) for key in result.values} == result.values
        assert (row['cfg'], row['top_k']) == (str(result.point.settings['cfg']), '')
        assert row['folder'] == str(result.point.folder)


def test_the_table_shows_what_differs_and_marks_the_best(
    root: Path, points: list[Point], log: Records
) -> None:
    results = report(points, config=config(root), out=root / 'out')
    header, _, *rows = (root / 'out' / 'sweep.md').read_text().splitlines()
    titles = [cell.strip() for cell in header.strip('|').split('|')]
    assert titles == ['cfg', 'number', *results[0].values]
    table = [[cell.strip() for cell in row.strip('|').split('|')] for row in rows]
    assert [row[0] for row in table] == ['2', '30', '90']
    fids = [result.values['fid'] for result in results]
    best = [row[titles.index('fid')].startswith('**') for row in table]
    assert best == [value == min(fids) for value in fids]
    assert not any('**' in row[titles.index('inception_score/std')] for row in table)
    assert any('the sweep:' in text for text in log.texts())
    assert (root / 'out' / 'pareto.png').stat().st_size > 1000


@pytest.mark.usefixtures('undrawn')
def test_what_was_measured_is_not_measured_again(
    root: Path, points: list[Point]
) -> None:
    first = report(points[:2], config=config(root), out=root / 'out')
    for point in points[:2]:  # whoever looked would see other pictures
        shutil.rmtree(point.folder)
        shutil.copytree(points[2].folder, point.folder)
    again = report(points, config=config(root), out=root / 'out')
    assert again[:2] == first and again[2].values != again[1].values

    fewer = config(root, gis=generated('InceptionScoreMetric', splits=3))
    assert report(points[:1], config=fewer, out=root / 'out') != first[:1]
    record = points[1].beside('.json')
    record.write_text('{"command": "with one more value"}')
    noted = report(points, config=config(root), out=root / 'out')
    assert noted[1:] == again[1:]
    record.write_text('{"seed": 1}')
    changed = report(points, config=config(root), out=root / 'out')
    assert changed[1].values == again[2].values
    record.write_text('torn')


def test_a_folder_with_pictures_missing_is_refused(
    root: Path, points: list[Point]
) -> None:
    next(points[0].folder.glob('*/*.png')).unlink()
    with pytest.raises(FolderError, match='noise2 holds 11 pictures, and 12 are to'):
        report(points, config=config(root), out=root / 'out')
    with pytest.raises(ValueError, match='at least one point'):
        report([], config=config(root), out=root / 'out')


def test_what_is_missing_is_named_and_the_rest_measured(
    root: Path, points: list[Point], log: Records
) -> None:
    write_reference(root, features=False)
    without = config(root, gis=None)
    del without.validator.metrics['gis']  # by default, it needs Inception's weights
    results = report(points, config=without, out=root / 'out')
    assert [list(result.values) for result in results] == [['fid']] * 3
    told = '\n'.join(log.warnings)
    assert 'metric inception_score is left out: ' in told
    assert 'prepare_checkpoints.py pytorch_fid' in told
    assert 'metric precision_recall is left out: ' in told and '-m vq.fid' in told
    assert len(log.warnings) == 2
    assert not (root / 'out' / 'pareto.png').exists()

    (root / 'pretrained' / 'fid' / 'small_val.safetensors').unlink()
    results = report(points, config=without, out=root / 'out')
    assert [result.values for result in results] == [{}] * 3
    assert 'make them: auto_torchrun -m vq.fid DATASET' in log.warnings[2]
    table = (root / 'out' / 'sweep.md').read_text().splitlines()
    assert table[2] == '| 2 | 12 |'


def test_it_measures_what_validation_measures_of_samples(root: Path) -> None:
    found = metric_configs(config(root).validator)
    assert found['inception_score']['splits'] == 2
    bare = metric_configs(dict(metrics=None))
    assert bare == dict(
        fid=dict(type='FIDMetric'),
        inception_score=dict(type='InceptionScoreMetric'),
        precision_recall=dict(type='PrecisionRecallMetric'),
    )
