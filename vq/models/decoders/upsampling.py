"""The decoder of a VQ-VAE of strided convolutions (https://arxiv.org/abs/1711.00937).

Where the paper has transposed convolutions it resizes first, which leaves no
checkerboard (https://distill.pub/2016/deconv-checkerboard).
"""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.models.post_norm import Activation, BlockNorm, refine
from vq.registry import MODELS

Resize = Literal['nearest', 'bilinear']


@MODELS.register_module()
class UpsamplingDecoder(nn.Module):
    """Latents to images; each stage refines, then doubles height and width.

    The mirror of `StridedEncoder`: what it does at a resolution is undone there. Plans
    of this network may draw three upsamplings for 16x16 latents of 256x256 images;
    that takes four, one a stage, and so the last stage has one here, too.

    Args:
        out_dim: Channels of an image.
        dims: Channels behind each stage's upsampling, from the lowest resolution to the
            highest; the first are also those of the stem.
        depth: Residual blocks in a stage.
        resize: What doubles, before a 3x3 convolution: 'nearest' or 'bilinear'.
        attention: Stages with attention before their upsampling, as indices into
            `dims`; 0 is the lowest resolution.
        head_dim: Channels between the last two convolutions, at full resolution.
        latent_dim: Channels of the latent.
        norm: Of the residual blocks: 'group' or 'batch'.
        activation: Of the residual blocks: 'relu' or 'silu'.
        norm_groups: Groups of group normalisations; divides all of `dims` but the last.

    Raises:
        ValueError: `resize`, `norm` or `activation` is none of these.
    """

    def __init__(
        self,
        *,
        out_dim: int = 3,
        dims: Sequence[int] = (256, 256, 256, 128),
        depth: int = 2,
        resize: Resize = 'nearest',
        attention: Sequence[int] = (),
        head_dim: int = 64,
        latent_dim: int = 256,
        norm: BlockNorm = 'group',
        activation: Activation = 'relu',
        norm_groups: int = 32,
    ) -> None:
        super().__init__()
        if resize not in get_args(Resize):
            raise ValueError(
                f'resize must be one of {list(get_args(Resize))}, got {resize!r}'
            )
        self.in_dim = latent_dim
        self.upscale: int = 2 ** len(dims)
        self.resize = resize
        attentive = {range(len(dims))[i] for i in attention}
        before = (dims[0], *dims[:-1])
        self.stem = nn.Conv2d(latent_dim, dims[0], 3, padding=1)
        self.stages = nn.ModuleList(
            refine(
                dim,
                depth=depth,
                attention=i in attentive,
                norm=norm,
                activation=activation,
                norm_groups=norm_groups,
            )
            for i, dim in enumerate(before)
        )
        self.ups = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=1) for i, o in zip(before, dims, strict=True)
        )
        self.head = nn.Sequential(
            nn.Conv2d(dims[-1], head_dim, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(head_dim, out_dim, 3, padding=1),
        )

    @property
    def last_parameter(self) -> Tensor:
        """The weight whose gradients balance the losses (adaptive weight)."""
        weight: Tensor = self.head[-1].weight  # type: ignore[assignment]
        return weight

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent (b, latent_dim, h, w) to an image (b, out_dim, H, W)."""
        hidden = self.stem(latent)
        for stage, up in zip(self.stages, self.ups, strict=True):
            refined = stage(hidden)
            hidden = up(
                functional.interpolate(refined, scale_factor=2.0, mode=self.resize)
            )
        # In half precision there are few numbers near the white of 1.
        return at_least_float32(self.head(hidden)).tanh()
