"""The adaptive weight of VQGAN (https://arxiv.org/abs/2012.09841, eq. 7)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vq import distributed
from vq.models.layers import SCALE, at_least_float32
from vq.registry import MODELS

EPS = 1e-4


class Balance(NamedTuple):
    """How two losses were balanced: detached scalars.

    Attributes:
        weight: The factor of the second loss.
        reconstruction_gradient: Norm of the first loss's gradient at the last weight.
        generator_gradient: Norm of the second's, not weighted.
    """

    weight: Tensor
    reconstruction_gradient: Tensor
    generator_gradient: Tensor


@MODELS.register_module()
class AdaptiveWeight(nn.Module):
    """Balances two losses by their gradients at the decoder's last weight.

    Args:
        gain: Factor of the balanced weight.
        max_weight: The ratio of the gradients' norms is cut off here.
    """

    def __init__(self, *, gain: float = 0.8, max_weight: float = 1e4) -> None:
        super().__init__()
        self.gain = gain
        self.max_weight = max_weight

    def forward(
        self, reconstruction_loss: Tensor, generator_loss: Tensor, last: Tensor
    ) -> Balance:
        """Weigh by |d reconstruction / d last| / (|d generator / d last| + 1e-4).

        Args:
            reconstruction_loss: A scalar.
            generator_loss: A scalar, the one to be weighted.
            last: The last weight that both depend on.

        Returns:
            Among others the weight, in [0, gain * max_weight].
        """
        reconstruction = self._gradient_norm(reconstruction_loss, last)
        generator = self._gradient_norm(generator_loss, last)
        ratio = reconstruction / (generator + EPS)
        weight = self.gain * ratio.clamp(0, self.max_weight)
        return Balance(weight, reconstruction, generator)

    @staticmethod
    def _gradient_norm(loss: Tensor, last: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(loss * SCALE, last, retain_graph=True)
        # Averaged before the norm: two ranks weigh like one with both batches.
        gradient = distributed.mean(at_least_float32(gradient)) / SCALE
        norm: Tensor = torch.linalg.vector_norm(gradient)
        return norm
