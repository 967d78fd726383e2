"""Inertia equals scikit-learn's, over any batches."""

import pytest
import torch
from einops import rearrange
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import functional

from tests.models.tiny import batch
from vq.metrics import CosineLossMetric, InertiaMetric, Metric
from vq.types import Distillation, Quantized

IMAGES, CODES = 6, 5


def clustered() -> tuple[Tensor, Tensor, float]:
    """Return centres and features (b, c, h, w), and their mean squared distance."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(IMAGES * 12, 4, generator=generator, dtype=torch.float64)
    peer = KMeans(CODES, n_init=1, random_state=0).fit(rows.numpy())
    centres = torch.from_numpy(peer.cluster_centers_[peer.labels_])
    grids = (
        rearrange(x, '(b h w) c -> b c h w', b=IMAGES, h=3) for x in (centres, rows)
    )
    return *grids, float(peer.inertia_ / len(rows))


def measure(
    metric: Metric, features: Tensor, target: Tensor, cuts: list[int] | None = None
) -> float:
    """Measure in batches of the given sizes."""
    cuts = cuts or [IMAGES]
    for part, of_target in zip(features.split(cuts), target.split(cuts), strict=True):
        tokens = torch.zeros(len(part), 3, 4, dtype=torch.int64)
        output = Distillation(part, of_target, Quantized(part, tokens))
        metric.update(batch(len(part)), output)
    return float(metric.compute())


@pytest.mark.parametrize('cuts', [[6], [1, 5], [2, 2, 2]])
def test_it_equals_scikit_learns(cuts: list[int]) -> None:
    features, target, expected = clustered()
    found = measure(InertiaMetric(), features, target, cuts)
    assert found == pytest.approx(expected, rel=1e-12)


def test_on_the_sphere_it_is_twice_the_cosine_loss() -> None:
    units = [functional.normalize(x, dim=1) for x in clustered()[:2]]
    cosine = measure(CosineLossMetric(), *units)
    assert measure(InertiaMetric(), *units) == pytest.approx(2 * cosine)


def test_nothing_seen_is_an_error() -> None:
    with pytest.raises(ValueError, match='InertiaMetric saw no'):
        InertiaMetric().compute()
