"""The decoder of MoVQ (https://arxiv.org/abs/2209.09002)."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from vq.models.decoders.conv import ConvDecoder
from vq.models.norms import NORM_GROUPS, Norm, SpatialNorm
from vq.registry import MODELS


@MODELS.register_module()
class MoVQDecoder(ConvDecoder):
    """A `ConvDecoder` whose every normalisation is modulated by the latent.

    The latent is the quantizer's own, so that no connector stands before this decoder:
    what enters the stem goes through `connector` within.

    Args:
        out_dim: As in `ConvDecoder`, and so on to `refine`.
        width: Channels of the last convolution's input, at multiplier 1.
        width_mults: Channels of the levels in units of `width`, the lowest resolution
            first.
        depth: Residual blocks in a level.
        attention: Levels with attention; 0 is the lowest resolution.
        refine: Put a block with attention before the first level.
        latent_dim: Channels of the latent, and so of the condition.
        stem_dim: Channels that the stem takes.
        norm_groups: Groups of the normalisations; divides all channel numbers.
    """

    def __init__(
        self,
        *,
        out_dim: int = 3,
        width: int = 128,
        width_mults: Sequence[int] = (4, 2, 2, 1),
        depth: int = 3,
        attention: Sequence[int] = (0,),
        refine: bool = True,
        latent_dim: int = 4,
        stem_dim: int = 4,
        norm_groups: int = NORM_GROUPS,
    ) -> None:
        super().__init__(
            out_dim=out_dim,
            width=width,
            width_mults=width_mults,
            depth=depth,
            attention=attention,
            refine=refine,
            latent_dim=latent_dim,
            norm_groups=norm_groups,
        )
        self.connector = nn.Conv2d(latent_dim, stem_dim, 1)
        self.stem = nn.Conv2d(stem_dim, self.stem.out_channels, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent (b, latent_dim, h, w) to an image (b, out_dim, H, W)."""
        return self._paint(self.stem(self.connector(latent)), latent)

    def _norm(self, groups: int) -> Norm:
        return partial(SpatialNorm, condition_dim=self.in_dim, groups=groups)
