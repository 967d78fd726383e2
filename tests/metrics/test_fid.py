"""FID of a validator is that of its reconstructions, on any number of ranks."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.metrics.averages import (
    AVERAGES,
    FID,
    Averages,
    double,
    originals,
    reconstructions,
    seen,
    synthetic,
    validator,
    write_statistics,
)
from tests.ranks import run_ranks
from vq.metrics.sources import FeatureSource
from vq.registry import DATASETS, METRICS

SFID = dict(FID, type='SFIDMetric')


@pytest.fixture
def reference(tmp_path: Path) -> str:
    """Statistics of the pictures themselves."""
    path = tmp_path / 'synthetic_val.safetensors'
    write_statistics(path, DATASETS.build(synthetic()))
    return str(path)


def by_hand(one: Tensor | None, other: Tensor | None) -> float:
    """Return pytorch-fid's distance of features."""
    from pytorch_fid.fid_score import calculate_frechet_distance  # not on each rank

    arrays = [double(one), double(other)]
    moments = [m for x in arrays for m in (x.mean(0), np.cov(x, rowvar=False))]
    return float(calculate_frechet_distance(*moments))


@pytest.mark.parametrize('batch_size', [1, 7, 200])
def test_it_equals_pytorch_fid_on_what_would_be_saved(
    reference: str, tmp_path: Path, batch_size: int
) -> None:
    runner = validator(
        tmp_path,
        metrics={
            'fid': dict(FID, reference=reference),
            'sfid': dict(SFID, reference=reference),
        },
        dataloader=dict(batch_size=batch_size, num_workers=0),
    )
    found = runner.run()
    ours, theirs = seen(reconstructions(runner)), seen(originals(runner.dataset))
    assert found == {
        'fid': pytest.approx(by_hand(ours.pooled, theirs.pooled), rel=1e-6),
        'sfid': pytest.approx(by_hand(ours.spatial, theirs.spatial), rel=1e-6),
    }
    assert found['fid'] != pytest.approx(found['sfid'])
    assert runner.run() == found


def test_pictures_are_at_no_distance_from_themselves(
    reference: str, tmp_path: Path
) -> None:
    metrics = dict(fid=dict(FID, reference=reference))
    runner = validator(tmp_path, model=dict(type='PassThrough'), metrics=metrics)
    assert runner.run()['fid'] == pytest.approx(0, abs=1e-12)


def on_ranks(folder: Path, reference: str) -> list[dict[str, float]]:
    """Validate many images and nine on this rank, which may get none of the nine."""
    metrics = dict(
        fid=dict(FID, reference=reference), sfid=dict(SFID, reference=reference)
    )
    runners = [
        validator(
            folder,
            dataset=synthetic(length),
            dataloader=dict(batch_size=31, num_workers=0),
            metrics=metrics,
            allow_mismatch=True,
        )
        for length in (1001, 9)
    ]
    return [runner.run() for runner in runners]


def test_three_ranks_have_the_digits_of_one(reference: str, tmp_path: Path) -> None:
    results = run_ranks(on_ranks, 3, tmp_path, reference)
    alone = on_ranks(tmp_path, reference)
    for result in results:
        for found, expected in zip(result, alone, strict=True):
            assert found == pytest.approx(expected, rel=1e-12)
            assert [f'{x:.10g}' for x in found.values()] == [
                f'{x:.10g}' for x in expected.values()
            ]


def batches(folder: Path, metrics: dict[str, Any]) -> list[int]:
    """Return the lengths of the batches that extractors saw."""
    Averages.batches.clear()
    validator(folder, metrics=metrics, allow_mismatch=True).run()
    return list(Averages.batches)


def test_equal_extractors_look_once_at_a_batch(reference: str, tmp_path: Path) -> None:
    one = dict(FID, reference=reference)
    alone = [7] * 14 + [3]
    assert batches(tmp_path, dict(a=one)) == alone
    assert batches(tmp_path, dict(a=one, b=dict(one, type='SFIDMetric'))) == alone
    same = dict(one, extractor=dict(power=3, type='Averages'))
    twice = [7] * 28 + [3] * 2
    assert batches(tmp_path, dict(a=one, b=same)) == twice
    other = dict(one, extractor=dict(type='Averages', power=3))
    assert batches(tmp_path, dict(a=one, b=same, c=other)) == twice


def test_a_batch_is_let_go(reference: str, tmp_path: Path) -> None:
    runner = validator(tmp_path, metrics=dict(fid=dict(FID, reference=reference)))
    source = runner.feature_source(AVERAGES)
    kept: list[Tensor] = []
    features = source.features
    source.features = lambda image: kept.append(image) or features(image)  # type: ignore[func-returns-value,method-assign]
    runner.run()
    assert len(kept) == 15
    assert not source._seen


def test_a_source_remembers_the_images_of_a_batch() -> None:
    source = FeatureSource(AVERAGES)
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    first = source.features(image)
    assert source.features(image) is first
    again = source.features(image.clone())
    assert again is not first
    assert source.features(image) is first
    for _ in range(3):
        source.features(image.clone())
    assert source.features(image) is not first
    assert torch.equal(again.pooled, first.pooled)
    assert torch.equal(first.pooled, seen(((image + 1) * 127.5).round().byte()).pooled)


def test_statistics_and_extractor_must_have_the_features(tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    write_statistics(path, DATASETS.build(synthetic()), spatial=False)
    metrics: dict[str, Any] = dict(sfid=dict(SFID, reference=str(path)))
    with pytest.raises(ValueError, match='12 features an image.* are of 0; make them'):
        validator(tmp_path, metrics=metrics)
    metrics['sfid']['extractor'] = dict(AVERAGES, spatial=False)
    with pytest.raises(ValueError, match='SFIDMetric needs features that Averages'):
        validator(tmp_path, metrics=metrics)


def test_one_image_is_too_few(reference: str, tmp_path: Path) -> None:
    metrics = dict(fid=dict(FID, reference=reference))
    runner = validator(
        tmp_path, metrics=metrics, dataset=synthetic(1), allow_mismatch=True
    )
    with pytest.raises(ValueError, match='two images at least, got 1'):
        runner.run()


def test_without_statistics_a_dry_run_has_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    metrics = dict(fid=dict(FID, reference=str(tmp_path / 'none_val.safetensors')))
    assert math.isnan(validator(tmp_path, metrics=metrics).run()['fid'])


def test_the_default_is_the_inception_of_pytorch_fid() -> None:
    metric = METRICS.build(dict(type='FIDMetric', reference='imagenet_val'))
    assert metric._extractor == dict(type='InceptionExtractor')
