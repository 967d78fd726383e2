"""Normalisations of convolutional autoencoders: plain, or modulated in space."""

from collections.abc import Callable
from typing import Any

from einops import rearrange
from torch import Tensor, nn

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

    The modulation of MoVQ (https://arxiv.org/abs/2209.09002), which enlarges the
    condition to the latent's size by nearest neighbours and maps it there. Here it is
    mapped at its own size, and each of its positions modulates a block of the latent:
    the same numbers, and nothing enlarged is kept for the backward pass.

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
        """Normalise (b, dim, H, W), modulated by (b, condition_dim, h, w).

        H is a multiple of h, and W of w.
        """
        height, width = condition.shape[-2:]
        scale, shift = (
            rearrange(layer(condition), 'b d h w -> b d h 1 w 1')
            for layer in (self.scale, self.shift)
        )
        blocks = rearrange(
            self.norm(latent), 'b d (h y) (w x) -> b d h y w x', h=height, w=width
        )
        modulated = blocks * scale + shift
        whole: Tensor = rearrange(modulated, 'b d h y w x -> b d (h y) (w x)')
        return whole
