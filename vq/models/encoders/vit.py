"""The transformer encoder of BEiT v2's tokenizer (https://arxiv.org/abs/2208.06366)."""

from einops import rearrange
from torch import Tensor, nn

from vq.models.layers import full_precision
from vq.models.vit import VisionTransformer, tanh_head
from vq.registry import MODELS


@MODELS.register_module()
class ViTEncoder(nn.Module):
    """Images to latents, one for each patch; ViT-B by default, 86.4 M parameters.

    Under autocast the task layer computes in its own precision, as in the original:
    a latent that was rounded to bf16 may have another code.

    Args:
        in_dim: Channels of an image.
        image_size: Pixels a side for which positions are learnt; others are taken too.
        patch: Pixels a side of a patch; divides `image_size`.
        width: Channels of the transformer.
        depth: Number of its blocks.
        heads: Of their attention.
        mlp_ratio: Channels within their MLPs, in units of `width`.
        latent_dim: Channels of the latent.

    Raises:
        ValueError: A patch does not divide the image.
    """

    def __init__(
        self,
        *,
        in_dim: int = 3,
        image_size: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        latent_dim: int = 32,
    ) -> None:
        super().__init__()
        if image_size % patch:
            raise ValueError(f'image_size {image_size} is no multiple of patch {patch}')
        self.image_size = image_size
        self.out_dim = latent_dim
        self.downscale = patch
        self.trunk = VisionTransformer(
            in_dim=in_dim,
            patch=patch,
            grid=image_size // patch,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
        )
        self.head = tanh_head(width, latent_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, in_dim, H, W) to a latent (b, latent_dim, h, w)."""
        features: Tensor = self.trunk(image)
        with full_precision(image):
            latent: Tensor = self.head(features.to(self.trunk.positions.dtype))
        # FSDP wants no view of what it has hooks on.
        return rearrange(latent, 'b h w d -> b d h w').contiguous()
