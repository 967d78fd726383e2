"""Adversarial losses against their formulas."""

import pytest
import torch
from torch.nn import functional

from vq.models import HingeLoss, NonSaturatingLoss, VanillaLoss


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


def test_non_saturating_loss_is_a_cross_entropy_for_both():
    real, fake = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    loss = NonSaturatingLoss(generator_weight=3.0, discriminator_weight=2.0)
    torch.testing.assert_close(loss.generator(fake), 3 * (-fake.sigmoid().log()).mean())
    expected = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(loss.discriminator(real, fake), expected)


def test_legacy_targets_teach_nothing_about_reconstructions():
    real = torch.randn(6, requires_grad=True)
    fake = torch.randn(6, requires_grad=True)
    loss = NonSaturatingLoss(legacy_targets=True)
    loss.discriminator(real, fake).backward()
    torch.testing.assert_close(real.grad, torch.full((6,), -1 / 12))
    assert not fake.grad.any()
    torch.testing.assert_close(
        loss.generator(fake), functional.softplus(torch.tensor(-1.0)) + 1 - fake.mean()
    )


@pytest.mark.parametrize('kind', [HingeLoss, VanillaLoss, NonSaturatingLoss])
def test_half_precision_logits_are_averaged_in_float32(kind):
    logits = torch.full((4096,), 0.1, dtype=torch.float16)
    loss = kind()
    torch.testing.assert_close(
        loss.generator(logits), loss.generator(logits.float()), rtol=0, atol=0
    )
    assert loss.discriminator(logits, logits).dtype == torch.float32
