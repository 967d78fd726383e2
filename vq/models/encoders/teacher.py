"""A frozen teacher as encoder: clusters of its features are the codes of Cluster."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vq.images import to_uint8
from vq.registry import MODELS


@MODELS.register_module()
class TeacherEncoder(nn.Module):
    """Images to a teacher's features, without gradient.

    The pixels that the teacher gets are those that the image was made from: [-1, 1]
    holds the 256 levels exactly.

    Args:
        teacher: One of `vq.models.teachers`.

    Attributes:
        downscale: Pixels a side that become one feature; None where that depends on
            the picture, since the teacher resizes it or the features.
    """

    def __init__(self, *, teacher: Mapping[str, Any]) -> None:
        super().__init__()
        self.teacher: Any = MODELS.build(teacher)
        self.out_dim: int = self.teacher.out_dim
        self.downscale: int | None = (
            None if self.teacher.resizes else self.teacher.downscale
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, 3, H, W) in [-1, 1] to features (b, out_dim, h, w)."""
        features: Tensor = self.teacher(to_uint8(image))
        return features
