"""The adaptive weight of VQGAN (https://arxiv.org/abs/2012.09841, eq. 7)."""

import torch
from torch import Tensor, nn

from vq import distributed
from vq.models.layers import at_least_float32
from vq.registry import MODELS

SCALE = 2.0**12  # a power of two: it changes no digit, but keeps fp16 from underflow
EPS = 1e-4
MAX_WEIGHT = 1e4


@MODELS.register_module()
class AdaptiveWeight(nn.Module):
    """Balances two losses by their gradients at the decoder's last weight.

    Args:
        gain: Factor of the balanced weight; None gives the constant weight 1.
    """

    def __init__(self, *, gain: float | None = 0.8) -> None:
        super().__init__()
        self.gain = gain

    def forward(
        self, reconstruction_loss: Tensor, generator_loss: Tensor, last: Tensor
    ) -> Tensor:
        """Return gain * |d reconstruction / d last| / (|d generator / d last| + 1e-4).

        Args:
            reconstruction_loss: A scalar.
            generator_loss: A scalar, the one to be weighted.
            last: The last weight that both depend on.

        Returns:
            A detached scalar in [0, 1e4 gain].
        """
        if self.gain is None:
            return torch.ones_like(generator_loss.detach())
        reconstruction = self._gradient_norm(reconstruction_loss, last)
        generator = self._gradient_norm(generator_loss, last)
        ratio = reconstruction / (generator + EPS)
        weight: Tensor = self.gain * ratio.clamp(0, MAX_WEIGHT)
        return weight

    @staticmethod
    def _gradient_norm(loss: Tensor, last: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(loss * SCALE, last, retain_graph=True)
        # Averaged before the norm: two ranks weigh like one with both batches.
        gradient = distributed.mean(at_least_float32(gradient)) / SCALE
        norm: Tensor = torch.linalg.vector_norm(gradient)
        return norm
