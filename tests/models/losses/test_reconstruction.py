"""Pixel losses against their formulas."""

import torch
from torch.nn import functional

from vq.models import L1Loss, MSELoss


def test_reconstruction_losses():
    one, other = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    l1, l2 = functional.l1_loss(one, other), functional.mse_loss(one, other)
    torch.testing.assert_close(L1Loss(weight=2.0)(one, other), 2 * l1)
    torch.testing.assert_close(MSELoss(weight=3.0)(one, other), 3 * l2)
    assert L1Loss()(one.bfloat16(), other).dtype == torch.float32
