"""Normalisations of convolutional autoencoders: plain, or modulated in space."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

NORM_GROUPS = 32
NORM_EPS = 1e-6
Norm = Callable[[int], nn.Module]  # channels to a module of (latent, condition)


class GroupNorm(nn.GroupNorm):
    """The normalisation of VQGAN's blocks; it has no use for a condition.

    Args:
        dim: Channels.
        groups: Groups of channels that are normalised together.
    """

    def __init__(self, dim: int, *, groups: int = NORM_GROUPS) -> None:
        super().__init__(groups, dim, eps=NORM_EPS)

    def forward(self, latent: Tensor, condition: Any = None) -> Tensor:
        """Normalise (b, dim, h, w)."""
        del condition
        return super().forward(latent)


class SpatialNorm(nn.Module):
    """A normalisation whose scale and shift are drawn from a condition, per position.

    The modulation of MoVQ (https://arxiv.org/abs/2209.09002). The condition is mapped
    at its own resolution and then enlarged: by 1x1 convolutions and nearest neighbours
    the numbers are those of the other order, at a fraction of the cost.

    Args:
        dim: Channels.
        condition_dim: Channels of the condition.
        groups: Groups of channels that are normalised together.
    """

    def __init__(
        self, dim: int, *, condition_dim: int, groups: int = NORM_GROUPS
    ) -> None:
        super().__init__()
        self.norm = GroupNorm(dim, groups=groups)
        self.scale = nn.Conv2d(condition_dim, dim, 1)
        self.shift = nn.Conv2d(condition_dim, dim, 1)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """Normalise (b, dim, H, W), modulated by (b, condition_dim, h, w)."""
        scale, shift = (
            functional.interpolate(layer(condition), latent.shape[-2:])
            for layer in (self.scale, self.shift)
        )
        modulated: Tensor = self.norm(latent) * scale + shift
        return modulated
