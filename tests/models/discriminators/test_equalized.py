"""Equalised layers: plain ones with divided weights."""

import math

import pytest
import torch
from torch import nn

from vq.models.discriminators.equalized import EqualizedConv2d, EqualizedLinear


@pytest.mark.parametrize('bias', [True, False])
def test_equals_a_convolution_with_divided_weights(bias):
    ours = EqualizedConv2d(5, 4, 3, stride=2, padding=1, bias=bias).double()
    plain = nn.Conv2d(5, 4, 3, stride=2, padding=1, bias=bias).double()
    state = dict(ours.state_dict())
    state['weight'] = state['weight'] / math.sqrt(5 * 3 * 3)
    plain.load_state_dict(state)
    hidden = torch.randn(2, 5, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(ours(hidden), plain(hidden))


def test_equals_a_linear_layer_with_divided_weights():
    ours, plain = EqualizedLinear(9, 4).double(), nn.Linear(9, 4).double()
    plain.load_state_dict({'weight': ours.weight / 3, 'bias': ours.bias})
    hidden = torch.randn(2, 9, dtype=torch.float64)
    torch.testing.assert_close(ours(hidden), plain(hidden))


@pytest.mark.parametrize('layer', [EqualizedConv2d(16, 16, 3), EqualizedLinear(48, 48)])
def test_initial_weights(layer):
    assert abs(layer.weight.std() - 1) < 0.1 and abs(layer.weight.mean()) < 0.1
    assert not layer.bias.any()
