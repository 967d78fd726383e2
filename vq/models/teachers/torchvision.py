"""Classifiers of torchvision as teachers: ViT and ConvNeXt."""

from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor
from torchvision import models

from vq.models.teachers.base import Precision, Teacher
from vq.models.teachers.positions import resize_positions
from vq.registry import MODELS

# What all of torchvision's classifiers were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONVNEXT_DOWNSCALE = 32  # of all sizes of it


@MODELS.register_module()
class TorchvisionTeacher(Teacher):
    """A ViT's patches behind its encoder, or a ConvNeXt's last map.

    The class token is left out; for pictures of another size the positions are resized
    on the way, and stay what they are. The classifier comes with the file and is not
    used.

    Args:
        model: torchvision's name, such as 'vit_b_16' or 'convnext_base'.
        weights: An entry of `vq.pretrained`, 'torchvision/vit_b_16', or a path.
        size: See `Teacher`.
        grid: See `Teacher`.
        precision: See `Teacher`.

    Raises:
        ValueError: It is neither a ViT nor a ConvNeXt.
    """

    network: Any

    def __init__(
        self,
        *,
        model: str,
        weights: str,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights, size=size, grid=grid, precision=precision)
        if model not in models.list_models():
            raise ValueError(f'torchvision knows no model {model!r}')
        self.model = model
        self.network = models.get_model(model, weights=None)
        if isinstance(self.network, models.VisionTransformer):
            self.out_dim = self.network.hidden_dim
            self.downscale = self.network.patch_size
        elif isinstance(self.network, models.ConvNeXt):
            self.out_dim = self.network.classifier[-1].in_features
            self.downscale = CONVNEXT_DOWNSCALE
        else:
            raise ValueError(f'model must be a ViT or a ConvNeXt, got {model}')
        self.set_pixels(MEAN, STD)
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to features of patches (b, c, h, w)."""
        if isinstance(self.network, models.ConvNeXt):
            features: Tensor = self.network.features(pixels)
            return features
        maps: Tensor = self.network.conv_proj(pixels)
        b, _, h, w = maps.shape
        first = repeat(self.network.class_token, '1 1 c -> b 1 c', b=b)
        tokens = torch.cat([first, rearrange(maps, 'b c h w -> b (h w) c')], dim=1)
        encoder = self.network.encoder
        tokens = tokens + resize_positions(encoder.pos_embedding[0], h, w)
        normed: Tensor = encoder.ln(encoder.layers(tokens))
        return rearrange(normed[:, 1:], 'b (h w) c -> b c h w', h=h)
