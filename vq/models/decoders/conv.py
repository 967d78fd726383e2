"""The convolutional decoder of VQGAN (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import Level, MidBlock, Unchanged, Upsample
from vq.models.norms import NORM_GROUPS, GroupNorm, Norm
from vq.registry import MODELS


@MODELS.register_module()
class ConvDecoder(nn.Module):
    """Latents to images; each level but the last doubles height and width.

    Args:
        out_dim: Channels of an image.
        width: Channels of the last convolution's input, at multiplier 1.
        width_mults: For each level, from the lowest resolution to the highest, its
            channels in units of `width`.
        depth: Residual blocks in a level.
        attention: Levels with attention, as indices into `width_mults`; 0 is the
            lowest resolution.
        refine: Put a block with attention before the first level.
        latent_dim: Channels of the latent.
        norm_groups: Groups of the normalisations; divides all channel numbers.
    """

    def __init__(
        self,
        *,
        out_dim: int = 3,
        width: int = 128,
        width_mults: Sequence[int] = (4, 2, 2, 1, 1),
        depth: int = 3,
        attention: Sequence[int] = (0,),
        refine: bool = True,
        latent_dim: int = 256,
        norm_groups: int = NORM_GROUPS,
    ) -> None:
        super().__init__()
        self.in_dim = latent_dim
        self.upscale: int = 2 ** (len(width_mults) - 1)
        dims = [width * mult for mult in (width_mults[0], *width_mults)]
        attentive = {range(len(width_mults))[i] for i in attention}
        norm = self._norm(norm_groups)
        self.stem = nn.Conv2d(latent_dim, dims[0], 3, padding=1)
        self.mid: nn.Module = (
            MidBlock(dim=dims[0], norm=norm) if refine else Unchanged()
        )
        self.levels = nn.ModuleList(
            Level(
                in_dim=dims[i],
                out_dim=dims[i + 1],
                depth=depth,
                attention=i in attentive,
                resample=Upsample if i + 1 < len(width_mults) else None,
                norm=norm,
            )
            for i in range(len(width_mults))
        )
        self.norm = norm(dims[-1])
        self.head = nn.Conv2d(dims[-1], out_dim, 3, padding=1)

    @property
    def last_parameter(self) -> Tensor:
        """The weight whose gradients balance the losses (adaptive weight)."""
        return self.head.weight

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent (b, latent_dim, h, w) to an image (b, out_dim, H, W)."""
        return self._paint(self.stem(latent), latent)

    def _norm(self, groups: int) -> Norm:
        """Return what makes the normalisations."""
        return partial(GroupNorm, groups=groups)

    def _paint(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Map the stem's output (b, d, h, w) to an image, by what norms may look at."""
        for layer in (self.mid, *self.levels):
            hidden = layer(hidden, condition)
        image: Tensor = self.head(functional.silu(self.norm(hidden, condition)))
        return image
