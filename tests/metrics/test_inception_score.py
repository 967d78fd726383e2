"""The Inception Score equals torch-fidelity's, streamed over any batches and ranks."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import log_softmax
from torch_fidelity.metric_isc import isc_features_to_metric

from tests.golden_cases import cases
from tests.metrics.pooled_pixels import EXTRACTOR, features_of, measure, validator
from tests.ranks import run_ranks
from vq.metrics import InceptionScoreMetric
from vq.metrics.inception_score import inception_score

LENGTH = 29
BROKEN = (0, 17)
KEYS = ('inception_score_mean', 'inception_score_std')


@cases('10a')
def test_equals_the_published_numbers(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    names = [name for name in case if name.startswith('out/isc/')]
    assert names
    for name in names:  # mean_std_shuffled10, mean_std_noshuffle5
        match = re.fullmatch(r'out/isc/mean_std_(shuffled|noshuffle)(\d+)', name)
        assert match is not None, name
        options = dict(splits=int(match[2]), shuffle=match[1] == 'shuffled')
        found = inception_score(case['in/isc_logits'], **options)
        assert list(found.values()) == pytest.approx(case[name].tolist(), rel=1e-9)


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize('n, k, splits', [(103, 7, 10), (9, 40, 4), (5, 3, 5)])
def test_equals_torch_fidelity(n: int, k: int, splits: int, shuffle: bool) -> None:
    logits = 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(n))
    options = dict(splits=splits, shuffle=shuffle)
    found = inception_score(logits, **options, seed=8)
    theirs = isc_features_to_metric(logits, **options, rng_seed=8)
    expected = [theirs[key] for key in KEYS]
    assert list(found.values()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def config(**changes: Any) -> dict[str, Any]:
    """Return a validator's metrics: the score alone."""
    extractor = changes.pop('extractor', EXTRACTOR)
    return dict(score=dict(type='InceptionScoreMetric', extractor=extractor, **changes))


@pytest.mark.parametrize('batch_size', [1, 5, LENGTH])
def test_any_batches_equal_torch_fidelity(tmp_path: Path, batch_size: int) -> None:
    runner = validator(
        tmp_path,
        LENGTH,
        metrics=config(splits=3),
        dataloader=dict(batch_size=batch_size, num_workers=0),
    )
    found = runner.run()
    theirs = isc_features_to_metric(features_of(tmp_path, LENGTH), splits=3)
    assert found['score/mean'] == pytest.approx(theirs[KEYS[0]], rel=1e-6)
    assert found['score/std'] == pytest.approx(theirs[KEYS[1]], rel=1e-4)
    assert runner.run() == found
    record = runner.protocols()['score']
    options = dict(splits=3, shuffle=True, seed=2020)
    assert {key: record[key] for key in options} == options


def by_hand(folder: Path, splits: int) -> list[float]:
    """Return mean and deviation where some images of the splits are lost."""
    logits = features_of(folder, LENGTH).double().numpy()
    order = np.random.RandomState(2020).permutation(LENGTH)
    scores = []
    for split in range(splits):
        part = order[split * LENGTH // splits : (split + 1) * LENGTH // splits]
        log_p = log_softmax(logits[[i for i in part if i not in BROKEN]], axis=1)
        divergence = np.exp(log_p) * (log_p - np.log(np.exp(log_p).mean(0)))
        scores.append(np.exp(divergence.sum(1).mean()))
    return [float(np.mean(scores)), float(np.std(scores))]


def test_ranks_give_the_numbers_of_one_with_broken_images(tmp_path: Path) -> None:
    arguments = tmp_path, LENGTH, dict(metrics=config(splits=4), broken=BROKEN)
    expected = by_hand(tmp_path, 4)
    for found in [measure(*arguments), *run_ranks(measure, 2, *arguments)]:
        assert found['score/mean'] == pytest.approx(expected[0], rel=1e-6)
        assert found['score/std'] == pytest.approx(expected[1], rel=1e-4)


def test_errors_name_the_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='9 images do not fill 10 splits'):
        validator(tmp_path, 9, metrics=config())
    runner = validator(
        tmp_path, 4, metrics=config(splits=4, shuffle=False), broken=(2,)
    )
    with pytest.raises(ValueError, match='3 images do not fill 4 splits'):
        runner.run()
    with pytest.raises(ValueError, match='logits of classes, and PooledPixels has'):
        validator(tmp_path, 20, metrics=config(extractor=EXTRACTOR | dict(classes=0)))
    with pytest.raises(ValueError, match='splits must be 1 at least, got 0'):
        InceptionScoreMetric(splits=0)


def test_a_dry_run_may_have_fewer_images_than_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    found = validator(tmp_path, 4, metrics=config()).run()
    assert list(found) == ['score/mean', 'score/std']
    assert all(value != value for value in found.values())
