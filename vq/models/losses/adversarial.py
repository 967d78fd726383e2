"""Adversarial losses on the logits of a discriminator."""

from typing import Protocol

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
        real = functional.softplus(-at_least_float32(logits_real)).mean()
        fake = functional.softplus(at_least_float32(logits_fake)).mean()
        return self.discriminator_weight * (real + fake) / 2
