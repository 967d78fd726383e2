"""A model part that draws random numbers in training, so that their state matters."""

import torch
from torch import Tensor

from vq.models.connectors import Connector
from vq.registry import MODELS


@MODELS.register_module()
class NoisyConnector(Connector):
    """A connector that adds Gaussian noise in training."""

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to (b, out_dim, h, w)."""
        out = super().forward(latent)
        return out + 0.1 * torch.randn_like(out) if self.training else out
