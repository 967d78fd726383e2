"""CosineFeatureLoss equals its formula, whatever the lengths."""

import numpy as np
import pytest
import torch

from vq.models import CosineFeatureLoss
from vq.models.losses.features import cosine_distance


def test_the_mean_over_positions_of_one_minus_cosine():
    features, target = torch.randn(2, 2, 5, 3, 4)
    x, y = features.numpy().astype(np.float64), target.numpy().astype(np.float64)
    cosines = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    loss = CosineFeatureLoss(weight=0.5)
    assert loss(features, target).item() == pytest.approx(0.5 * (1 - cosines).mean())
    torch.testing.assert_close(
        cosine_distance(3 * features, 0.1 * target),
        torch.from_numpy(1 - cosines).float(),
    )


def test_half_precision_is_compared_in_float32():
    features, target = torch.randn(2, 2, 5, 3, 4)
    found = CosineFeatureLoss()(features.bfloat16(), target)
    expected = CosineFeatureLoss()(features.bfloat16().float(), target)
    assert found.dtype == torch.float32 and torch.equal(found, expected)
