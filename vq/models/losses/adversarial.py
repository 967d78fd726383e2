"""Adversarial losses on the logits of a discriminator."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.registry import MODELS


class AdversarialLoss(Protocol):
    """What a VQGAN asks of its adversarial loss; a scalar comes back from each."""

    def generator(self, logits_fake: Tensor) -> Tensor:
        """Return what the generator minimises; logits of any shape."""

    def discriminator(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return what the discriminator minimises; logits of any shape."""


@MODELS.register_module()
class HingeLoss(nn.Module):
    """The hinge loss (https://arxiv.org/abs/1705.02894).

    Args:
        generator_weight: Factor of the generator's loss.
        discriminator_weight: Factor of the discriminator's loss.
    """

    def __init__(
        self, *, generator_weight: float = 1.0, discriminator_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.generator_weight = generator_weight
        self.discriminator_weight = discriminator_weight

    def generator(self, logits_fake: Tensor) -> Tensor:
        """Return -mean D(fake); logits of any shape."""
        return -self.generator_weight * at_least_float32(logits_fake).mean()

    def discriminator(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return half of mean relu(1 - D(real)) + mean relu(1 + D(fake))."""
        real = (1 - at_least_float32(logits_real)).relu().mean()
        fake = (1 + at_least_float32(logits_fake)).relu().mean()
        return self.discriminator_weight * (real + fake) / 2


@MODELS.register_module()
class VanillaLoss(HingeLoss):
    """The discriminator's cross entropy (https://arxiv.org/abs/1406.2661).

    The generator minimises -mean D(fake), as with the hinge loss: so VQGAN has it.
    """

    def discriminator(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return half of mean softplus(-D(real)) + mean softplus(D(fake))."""
        real, fake = _entropy(logits_real, 1.0), _entropy(logits_fake, 0.0)
        return self.discriminator_weight * (real + fake) / 2


@MODELS.register_module()
class NonSaturatingLoss(VanillaLoss):
    """Cross entropies for both (https://arxiv.org/abs/1406.2661, section 3).

    Args:
        generator_weight: Factor of the generator's loss.
        discriminator_weight: Factor of the discriminator's loss.
        legacy_targets: Take the logits for the targets and the targets for the logits,
            as LlamaGen's published code does. All gradients are then constant, and the
            discriminator learns nothing from reconstructions: only for comparisons.
    """

    def __init__(
        self,
        *,
        generator_weight: float = 1.0,
        discriminator_weight: float = 1.0,
        legacy_targets: bool = False,
    ) -> None:
        super().__init__(
            generator_weight=generator_weight, discriminator_weight=discriminator_weight
        )
        self.legacy_targets = legacy_targets

    def generator(self, logits_fake: Tensor) -> Tensor:
        """Return mean softplus(-D(fake)); logits of any shape."""
        loss = _legacy_entropy if self.legacy_targets else _entropy
        return self.generator_weight * loss(logits_fake, 1.0)

    def discriminator(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return half of mean softplus(-D(real)) + mean softplus(D(fake))."""
        loss = _legacy_entropy if self.legacy_targets else _entropy
        halves = loss(logits_real, 1.0) + loss(logits_fake, 0.0)
        return self.discriminator_weight * halves / 2


def _entropy(logits: Tensor, target: float) -> Tensor:
    """Return the mean cross entropy of logits of any shape with a constant target."""
    logits = at_least_float32(logits)
    targets = torch.full_like(logits, target)
    return functional.binary_cross_entropy_with_logits(logits, targets)


def _legacy_entropy(logits: Tensor, target: float) -> Tensor:
    logits = at_least_float32(logits)
    targets = torch.full_like(logits, target)
    return functional.binary_cross_entropy_with_logits(targets, logits)
