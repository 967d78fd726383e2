"""Head: its three layers by hand."""

import numpy as np
import torch
from torch import nn

from vq.models.discriminators.head import Head


def test_three_layers():
    head = Head(
        in_dim=3, dim=2, conv=nn.Conv2d, linear=nn.Linear, activation=torch.relu
    ).double()
    hidden = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    weights = {key: value.numpy() for key, value in head.state_dict().items()}
    padded = np.pad(hidden, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    conv = np.einsum('bihwyx,oiyx->bohw', windows, weights['conv.weight'])
    conv = np.maximum(conv + weights['conv.bias'][:, None, None], 0)
    linear = conv.reshape(5, -1) @ weights['linear.weight'].T + weights['linear.bias']
    linear = np.maximum(linear, 0)
    expected = linear @ weights['logit.weight'].T + weights['logit.bias']
    np.testing.assert_allclose(head(hidden).detach(), expected)
