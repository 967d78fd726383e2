"""The adaptive weight against its formula, and over ranks."""

import pytest
import torch
from torch import nn

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.models import AdaptiveWeight
from vq.registry import MODELS


def test_adaptive_weight_is_the_ratio_of_gradients():
    last = nn.Parameter(torch.tensor([1.0, -2.0]))
    reconstruction, generator = (3 * last).sum(), (last * last).sum()
    balance = AdaptiveWeight(gain=0.5)(reconstruction, generator, last)
    expected = 0.5 * (3 * 2**0.5) / (2 * 5**0.5 + 1e-4)
    torch.testing.assert_close(balance.weight, torch.tensor(expected))
    torch.testing.assert_close(balance.reconstruction_gradient, torch.tensor(18**0.5))
    torch.testing.assert_close(balance.generator_gradient, torch.tensor(20**0.5))
    assert not any(value.requires_grad for value in balance) and last.grad is None


def test_adaptive_weight_is_bounded():
    last = nn.Parameter(torch.ones(2))
    arguments = (1e9 * last).sum(), (0 * last).sum(), last
    assert AdaptiveWeight(gain=0.8)(*arguments).weight == pytest.approx(0.8e4)
    bounded = AdaptiveWeight(gain=0.8, max_weight=5.0)
    assert bounded(*arguments).weight == pytest.approx(4.0)


def test_adaptive_weight_survives_small_half_precision_gradients():
    last = nn.Parameter(torch.ones(4, dtype=torch.float16))
    tiny_loss = (last * 1e-4).float().mean() * 1e-3  # its gradient is 2.5e-8
    balance = AdaptiveWeight(gain=1.0)(tiny_loss, last.float().sum() * 1e-2, last)
    assert balance.weight > 0


def joint_weight(rank, ranks):
    """Return the adaptive weight for images rank, rank + ranks, ... of four."""
    torch.manual_seed(0)
    discriminator = dict(type='PatchDiscriminator', depth=2, width=4, norm='sync_batch')
    model = MODELS.build(tiny.vqgan(discriminator=discriminator)).double()
    image = tiny.batch(4).image.double()[rank::ranks]
    fake = model(image).image
    loss = model.adversarial_loss.generator(model.discriminator(fake))
    l1 = (fake - image).abs().mean()
    return model.adversarial_weight(l1, loss, model.decoder.last_parameter).weight


def on_rank():
    return joint_weight(distributed.rank(), 2)


def test_two_ranks_weigh_like_one():
    expected = joint_weight(0, 1)
    for weight in run_ranks(on_rank, 2):
        torch.testing.assert_close(weight, expected)
