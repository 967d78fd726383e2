"""Pixel losses: how far a reconstruction is from its image."""

from torch import Tensor, nn

from vq.registry import MODELS


@MODELS.register_module()
class L1Loss(nn.Module):
    """Mean absolute difference of pixels.

    Args:
        weight: Factor of the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Compare (b, 3, h, w) with (b, 3, h, w); a scalar."""
        return self.weight * (reconstruction - image).abs().mean()


@MODELS.register_module()
class MSELoss(nn.Module):
    """Mean squared difference of pixels.

    Args:
        weight: Factor of the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Compare (b, 3, h, w) with (b, 3, h, w); a scalar."""
        return self.weight * (reconstruction - image).square().mean()
