"""Adversarial losses: hinge (https://arxiv.org/abs/1705.02894)."""

from torch import Tensor, nn

from vq.models.layers import at_least_float32
from vq.registry import MODELS


@MODELS.register_module()
class HingeLoss(nn.Module):
    """The hinge loss of a discriminator and what its generator minimises.

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
        """Return -mean D(fake); any shape, a scalar comes back."""
        return -self.generator_weight * at_least_float32(logits_fake).mean()

    def discriminator(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return half of mean relu(1 - D(real)) + mean relu(1 + D(fake))."""
        real = (1 - at_least_float32(logits_real)).relu().mean()
        fake = (1 + at_least_float32(logits_fake)).relu().mean()
        return self.discriminator_weight * (real + fake) / 2
