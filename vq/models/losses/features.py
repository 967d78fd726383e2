"""Feature losses: how far features are from a teacher's."""

from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.registry import MODELS


def cosine_distance(features: Tensor, target: Tensor) -> Tensor:
    """Return 1 - cos between features; (b, c, h, w) twice -> (b, h, w)."""
    features, target = at_least_float32(features), at_least_float32(target)
    return 1 - functional.cosine_similarity(features, target, dim=1)


@MODELS.register_module()
class CosineFeatureLoss(nn.Module):
    """The mean over positions of 1 - cos (eq. 3 of https://arxiv.org/abs/2208.06366).

    Args:
        weight: Factor of the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """Compare features (b, c, h, w) with the teacher's, of the same shape."""
        return self.weight * cosine_distance(features, target).mean()
