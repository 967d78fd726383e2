"""A frozen encoder without a file: a stand-in for a teacher."""

import torch
from torch import Tensor, nn

from vq.models.frozen import FrozenModule
from vq.registry import MODELS


@MODELS.register_module()
class PatchEncoder(FrozenModule):
    """A fixed linear map of patches of 4 px.

    Args:
        out_dim: Channels of the features.
    """

    downscale = 4

    def __init__(self, *, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim
        self.conv = nn.Conv2d(3, out_dim, 4, stride=4)
        generator = torch.Generator().manual_seed(2)
        weight = torch.randn(self.conv.weight.shape, generator=generator) / 7
        nn.Module.load_state_dict(
            self.conv, dict(weight=weight, bias=torch.ones(out_dim))
        )
        self.freeze()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, 3, H, W) to features (b, out_dim, H / 4, W / 4)."""
        features: Tensor = self.conv(image)
        return features
