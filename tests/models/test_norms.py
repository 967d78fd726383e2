"""Normalisations, plain and modulated, against their formulas."""

import pytest
import torch
from torch.nn import functional

from vq.models.norms import GroupNorm, SpatialNorm


@pytest.mark.parametrize('size', [(4, 6), (8, 6), (12, 48)])
def test_spatial_norm_equals_a_resize_before_its_convolutions(size):
    norm = SpatialNorm(8, condition_dim=3, groups=2).double()
    latent = torch.randn(2, 8, *size, dtype=torch.float64)
    condition = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    nearest = [torch.arange(n) * m // n for n, m in zip(size, (4, 6), strict=True)]
    resized = condition[:, :, nearest[0]][:, :, :, nearest[1]]
    scale, shift = (
        functional.conv2d(resized, conv.weight, conv.bias)
        for conv in (norm.scale, norm.shift)
    )
    weights = (norm.norm.weight, norm.norm.bias)
    normed = functional.group_norm(latent, 2, *weights, eps=1e-6)
    torch.testing.assert_close(norm(latent, condition), normed * scale + shift)


def test_a_plain_norm_has_no_use_for_a_condition():
    norm, latent = GroupNorm(8, groups=2), torch.randn(2, 8, 3, 3)
    expected = functional.group_norm(latent, 2, norm.weight, norm.bias, eps=1e-6)
    assert torch.equal(norm(latent), expected)
    assert torch.equal(norm(latent, torch.randn(2, 3, 3, 3)), expected)
