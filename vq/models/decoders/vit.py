"""The transformer decoder of BEiT v2's tokenizer (https://arxiv.org/abs/2208.06366)."""

from einops import rearrange
from torch import Tensor, nn

from vq.models.vit import VisionTransformer, tanh_head
from vq.registry import MODELS


@MODELS.register_module()
class ViTDecoder(nn.Module):
    """Latents to a teacher's features; or, with larger patches, to images.

    For pixels: `out_dim=3, out_patch=16`, and a depth of 12 for 86.4 M parameters, or
    width 1280, depth 32 and 16 heads for 632.6 M.

    Args:
        out_dim: Channels of the features, or of an image.
        out_patch: Rows and columns that a latent becomes.
        grid: Rows and columns of latents for which positions are learnt; others are
            taken too.
        width: Channels of the transformer.
        depth: Number of its blocks.
        heads: Of their attention.
        mlp_ratio: Channels within their MLPs, in units of `width`.
        latent_dim: Channels of the latent.
    """

    def __init__(
        self,
        *,
        out_dim: int,
        out_patch: int = 1,
        grid: int = 14,
        width: int = 768,
        depth: int = 1,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        latent_dim: int = 32,
    ) -> None:
        super().__init__()
        self.in_dim = latent_dim
        self.out_dim = out_dim
        self.upscale = out_patch
        self.trunk = VisionTransformer(
            in_dim=latent_dim,
            patch=1,
            grid=grid,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
        )
        self.head = tanh_head(width, out_patch * out_patch * out_dim)

    @property
    def last_parameter(self) -> Tensor:
        """The weight whose gradients balance the losses (adaptive weight)."""
        return self.head.get_parameter('2.weight')

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent (b, latent_dim, h, w) to (b, out_dim, h * patch, w * patch)."""
        patches: Tensor = self.head(self.trunk(latent))
        sides = dict(p=self.upscale, q=self.upscale)
        out = rearrange(patches, 'b h w (p q c) -> b c (h p) (w q)', **sides)
        return out.contiguous()  # FSDP wants no view of what it has hooks on
