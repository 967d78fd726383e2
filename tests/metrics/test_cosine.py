"""CosineLossMetric equals its formula over any batches; and the mean of values."""

import numpy as np
import pytest
import torch

from tests.models import tiny
from vq.metrics import CosineLossMetric
from vq.registry import METRICS
from vq.types import Distillation, Quantized


def outputs(images, rows):
    generator = torch.Generator().manual_seed(rows)
    features, target = torch.randn(2, images, 5, rows, 3, generator=generator)
    return features, target


def measure(metric, parts):
    for features, target in parts:
        nothing = torch.zeros(len(features), 1, 1, 1)
        quantized = Quantized(nothing, nothing[:, 0].long())
        output = Distillation(features, target, quantized)
        metric.update(tiny.batch(len(features)), output)
    return metric.compute()


def distances(features, target):
    x, y = features.double().numpy(), target.double().numpy()
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return (1 - (x * y).sum(1) / norms).flatten()


def test_the_mean_over_all_tokens():
    """Every token counts alike, in batches and grids of any size."""
    metric = METRICS.build(dict(type='CosineLossMetric'))
    parts = [outputs(3, 2), outputs(1, 4)]
    expected = np.concatenate([distances(*part) for part in parts]).mean()
    assert measure(metric, parts) == pytest.approx(expected, abs=1e-12)
    metric.reset()
    whole = outputs(5, 2)
    split = list(zip(*(tensor.split(2) for tensor in whole), strict=True))
    expected = distances(*whole).mean()
    assert measure(metric, split) == pytest.approx(expected, abs=1e-12)


def test_nothing_seen():
    with pytest.raises(ValueError, match='CosineLossMetric saw no image'):
        CosineLossMetric().compute()
