"""Pixel losses against their formulas."""

import pytest
import torch
from torch.nn import functional

from vq.models import L1Loss, MSELoss, SmoothL1Loss
from vq.registry import MODELS

SHAPE = (2, 3, 4, 5)
BETA = 0.3


def test_reconstruction_losses():
    one, other = torch.randn(2, *SHAPE)
    l1, l2 = functional.l1_loss(one, other), functional.mse_loss(one, other)
    torch.testing.assert_close(L1Loss(weight=2.0)(one, other), 2 * l1)
    torch.testing.assert_close(MSELoss(weight=3.0)(one, other), 3 * l2)


def test_smooth_l1_is_quadratic_then_absolute():
    one, other = torch.randn(2, *SHAPE)
    difference = (one - other).abs()
    quadratic, absolute = difference.square() / (2 * BETA), difference - BETA / 2
    expected = torch.where(difference < BETA, quadratic, absolute).mean()
    loss = MODELS.build(dict(type='SmoothL1Loss', beta=BETA, weight=2.0))
    torch.testing.assert_close(loss(one, other), 2 * expected)
    l1 = functional.l1_loss(one, other)
    torch.testing.assert_close(SmoothL1Loss(beta=0.0)(one, other), l1)
    with pytest.raises(ValueError, match='beta must be >= 0, got -1'):
        SmoothL1Loss(beta=-1)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('loss', [L1Loss, MSELoss, SmoothL1Loss])
def test_weights_count_a_pixel_several_times(loss, channels):
    one, other = torch.randn(2, *SHAPE)
    weight = torch.randint(0, 3, (SHAPE[0], channels, *SHAPE[2:]))
    times = weight.expand(SHAPE).flatten()
    repeated = (t.flatten().repeat_interleave(times) for t in (one, other))
    expected = loss(weight=0.5)(*repeated)
    torch.testing.assert_close(loss(weight=0.5)(one, other, weight), expected)
    ones = torch.ones(SHAPE[0], channels, *SHAPE[2:])
    torch.testing.assert_close(loss()(one, other, ones), loss()(one, other))


@pytest.mark.parametrize('loss', [L1Loss, MSELoss, SmoothL1Loss])
def test_pixels_of_no_weight_get_no_gradient(loss):
    one, other = torch.randn(2, *SHAPE)
    mask = torch.zeros(SHAPE[0], 1, *SHAPE[2:], dtype=torch.bool)
    mask[..., :2] = True
    expected = loss()(one[..., :2], other[..., :2])
    one.requires_grad_()
    actual = loss()(one, other, mask)
    torch.testing.assert_close(actual, expected)
    actual.backward()
    assert torch.equal(one.grad != 0, mask.expand(SHAPE))
    nothing = loss()(one, other, torch.zeros_like(mask))
    (gradient,) = torch.autograd.grad(nothing, one)
    assert nothing == 0 and not gradient.any()


@pytest.mark.parametrize('shape', [(2, 4, 5), (2, 2, 4, 5), (1, 1, 4, 5), (2, 1, 4, 1)])
def test_weights_of_another_shape_are_refused(shape):
    one, other = torch.randn(2, *SHAPE)
    with pytest.raises(ValueError, match=r'must be \(2, 1, 4, 5\) or \(2, 3, 4, 5\)'):
        L1Loss()(one, other, torch.ones(shape))


@pytest.mark.parametrize('loss', [L1Loss, MSELoss, SmoothL1Loss])
def test_half_precision_is_compared_in_float32(loss):
    one, other = torch.randn(2, *SHAPE)
    half = one.bfloat16()
    expected = loss()(half.float(), other)
    assert torch.equal(loss()(half, other), expected)
    assert loss()(half, other).dtype == torch.float32
