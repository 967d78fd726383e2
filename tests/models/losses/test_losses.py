"""Reconstruction, adversarial and adaptive losses against their formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.models import AdaptiveWeight, HingeLoss, L1Loss, MSELoss, VanillaLoss
from vq.registry import MODELS


def test_reconstruction_losses():
    one, other = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    l1, l2 = functional.l1_loss(one, other), functional.mse_loss(one, other)
    torch.testing.assert_close(L1Loss(weight=2.0)(one, other), 2 * l1)
    torch.testing.assert_close(MSELoss(weight=3.0)(one, other), 3 * l2)
    assert L1Loss()(one.bfloat16(), other).dtype == torch.float32


def test_hinge_loss():
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([-3.0, 0.0, 1.0])
    loss = HingeLoss(generator_weight=0.5, discriminator_weight=2.0)
    torch.testing.assert_close(loss.generator(fake), torch.tensor(0.5 * 2 / 3))
    expected = 2.0 * 0.5 * ((0 + 2 + 0.5) / 3 + (0 + 1 + 2) / 3)
    torch.testing.assert_close(loss.discriminator(real, fake), torch.tensor(expected))


def test_vanilla_loss_is_the_cross_entropy():
    real, fake = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    entropy = functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, 0 * fake)
    torch.testing.assert_close(VanillaLoss().discriminator(real, fake), expected / 2)


def test_adaptive_weight_is_the_ratio_of_gradients():
    last = nn.Parameter(torch.tensor([1.0, -2.0]))
    reconstruction, generator = (3 * last).sum(), (last * last).sum()
    weight = AdaptiveWeight(gain=0.5)(reconstruction, generator, last)
    expected = 0.5 * (3 * 2**0.5) / (2 * 5**0.5 + 1e-4)
    torch.testing.assert_close(weight, torch.tensor(expected))
    assert not weight.requires_grad and last.grad is None


def test_adaptive_weight_is_bounded_and_constant_without_gain():
    last = nn.Parameter(torch.ones(2))
    arguments = (1e9 * last).sum(), (0 * last).sum(), last
    assert AdaptiveWeight(gain=0.8)(*arguments) == pytest.approx(0.8e4)
    assert AdaptiveWeight(gain=None)(*arguments) == 1


def test_adaptive_weight_survives_small_half_precision_gradients():
    last = nn.Parameter(torch.ones(4, dtype=torch.float16))
    tiny_loss = (last * 1e-4).float().mean() * 1e-3  # its gradient is 2.5e-8
    weight = AdaptiveWeight(gain=1.0)(tiny_loss, last.float().sum() * 1e-2, last)
    assert weight > 0


def joint_weight(rank, ranks):
    """Return the adaptive weight for images rank, rank + ranks, ... of four."""
    torch.manual_seed(0)
    discriminator = dict(type='PatchDiscriminator', depth=2, width=4, norm='sync_batch')
    model = MODELS.build(tiny.vqgan(discriminator=discriminator)).double()
    image = tiny.batch(4).image.double()[rank::ranks]
    fake = model(image).image
    loss = model.adversarial_loss.generator(model.discriminator(fake))
    l1 = (fake - image).abs().mean()
    return model.adversarial_weight(l1, loss, model.decoder.last_parameter)


def on_rank():
    return joint_weight(distributed.rank(), 2)


def test_two_ranks_weigh_like_one():
    expected = joint_weight(0, 1)
    for weight in run_ranks(on_rank, 2):
        torch.testing.assert_close(weight, expected)
