"""The encoder of a VQ-VAE of strided convolutions (https://arxiv.org/abs/1711.00937).

The paper's layout, a strided 4x4 convolution a stage, with deeper stages.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vq.models.post_norm import Activation, BlockNorm, refine
from vq.registry import MODELS


@MODELS.register_module()
class StridedEncoder(nn.Module):
    """Images to latents; each stage halves height and width, then refines.

    Args:
        in_dim: Channels of an image.
        dims: Channels of each stage, from the highest resolution to the lowest; the
            first are also those of the stem.
        depth: Residual blocks in a stage.
        kernel: Side of the strided convolutions, 3 or 4.
        attention: Stages that end with attention, as indices into `dims`; -1 is the
            lowest resolution.
        latent_dim: Channels of the latent.
        norm: Of the residual blocks: 'group' or 'batch'.
        activation: Of the residual blocks: 'relu' or 'silu'.
        norm_groups: Groups of group normalisations; divides all of `dims`.

    Raises:
        ValueError: `kernel`, `norm` or `activation` is none of these.
    """

    def __init__(
        self,
        *,
        in_dim: int = 3,
        dims: Sequence[int] = (128, 256, 256, 256),
        depth: int = 2,
        kernel: int = 4,
        attention: Sequence[int] = (),
        latent_dim: int = 256,
        norm: BlockNorm = 'group',
        activation: Activation = 'relu',
        norm_groups: int = 32,
    ) -> None:
        super().__init__()
        if kernel not in (3, 4):  # others do not halve with one pixel of padding
            raise ValueError(f'kernel must be 3 or 4, got {kernel}')
        self.out_dim = latent_dim
        self.downscale: int = 2 ** len(dims)
        attentive = {range(len(dims))[i] for i in attention}
        self.stem = nn.Conv2d(in_dim, dims[0], 3, padding=1)
        self.downs = nn.ModuleList(
            nn.Conv2d(i, o, kernel, stride=2, padding=1)
            for i, o in zip((dims[0], *dims[:-1]), dims, strict=True)
        )
        self.stages = nn.ModuleList(
            refine(
                dim,
                depth=depth,
                attention=i in attentive,
                norm=norm,
                activation=activation,
                norm_groups=norm_groups,
            )
            for i, dim in enumerate(dims)
        )
        self.head = nn.Conv2d(dims[-1], latent_dim, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, in_dim, H, W) to a latent (b, latent_dim, h, w)."""
        hidden = self.stem(image)
        for down, stage in zip(self.downs, self.stages, strict=True):
            hidden = stage(down(hidden))
        latent: Tensor = self.head(hidden)
        return latent
