"""Both orders of MoVQ's modulation give the same; what --check complains of."""

import torch

from benchmarks.movq import problems, published_order
from vq.models.norms import SpatialNorm


def test_the_published_order_is_the_same_function() -> None:
    norm = SpatialNorm(8, condition_dim=3, groups=2).double()
    latent = torch.randn(2, 8, 8, 12, dtype=torch.float64)
    condition = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    expected = published_order(norm, latent, condition)
    torch.testing.assert_close(norm(latent, condition), expected)


def test_what_is_complained_of() -> None:
    ours = dict(seconds=1.0, peak=100.0, value=1.0)
    good = {'ours': ours, 'published order': dict(seconds=1.0, peak=150.0, value=1.0)}
    assert problems(good) == []
    bad = {'ours': ours, 'published order': dict(seconds=0.5, peak=90.0, value=2.0)}
    assert len(problems(bad)) == 3
