"""The convolutional encoder of VQGAN (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import Downsample, Level, MidBlock, Unchanged
from vq.models.norms import NORM_GROUPS, GroupNorm
from vq.registry import MODELS


@MODELS.register_module()
class ConvEncoder(nn.Module):
    """Images to latents; each level but the last halves height and width.

    Args:
        in_dim: Channels of an image.
        width: Channels of the first convolution.
        width_mults: For each level, from the highest resolution to the lowest, its
            channels in units of `width`.
        depth: Residual blocks in a level.
        attention: Levels with attention, as indices into `width_mults`; -1 is the
            lowest resolution.
        refine: Put a block with attention behind the last level.
        latent_dim: Channels of the latent.
        norm_groups: Groups of the normalisations; divides all channel numbers.
    """

    def __init__(
        self,
        *,
        in_dim: int = 3,
        width: int = 128,
        width_mults: Sequence[int] = (1, 1, 2, 2, 4),
        depth: int = 2,
        attention: Sequence[int] = (-1,),
        refine: bool = True,
        latent_dim: int = 256,
        norm_groups: int = NORM_GROUPS,
    ) -> None:
        super().__init__()
        self.out_dim = latent_dim
        self.downscale: int = 2 ** (len(width_mults) - 1)
        dims = [width] + [width * mult for mult in width_mults]
        attentive = {range(len(width_mults))[i] for i in attention}
        norm = partial(GroupNorm, groups=norm_groups)
        self.stem = nn.Conv2d(in_dim, width, 3, padding=1)
        self.levels = nn.Sequential(
            *(
                Level(
                    in_dim=dims[i],
                    out_dim=dims[i + 1],
                    depth=depth,
                    attention=i in attentive,
                    resample=Downsample if i + 1 < len(width_mults) else None,
                    norm=norm,
                )
                for i in range(len(width_mults))
            )
        )
        self.mid: nn.Module = (
            MidBlock(dim=dims[-1], norm=norm) if refine else Unchanged()
        )
        self.norm = norm(dims[-1])
        self.head = nn.Conv2d(dims[-1], latent_dim, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, in_dim, H, W) to a latent (b, latent_dim, h, w)."""
        hidden = self.mid(self.levels(self.stem(image)))
        latent: Tensor = self.head(functional.silu(self.norm(hidden)))
        return latent
