"""LPIPS as a metric (https://arxiv.org/abs/1801.03924)."""

from typing import Any

import torch
from torch import Tensor

from vq.images import normalize, to_uint8
from vq.metrics.base import Measured
from vq.metrics.image import ImageMetric
from vq.models.losses import LPIPS
from vq.registry import METRICS
from vq.types import Batch, Reconstruction

WITHOUT_METRIC = 'or validate without LPIPS: --override .validator.metrics.lpips:None'


@METRICS.register_module()
class LPIPSMetric(ImageMetric):
    """The LPIPS distance per image, on VGG16; then their mean.

    The network is the metric's own, so that a model without a perceptual loss can be
    judged; its weights are loaded by `prepare`.

    Args:
        quantize: False compares the decoder's output as it is, neither rounded nor cut
            off at [-1, 1]: the protocol of the reference platform. True compares what
            would be seen and saved, as the other image metrics do.
    """

    def __init__(self, *, quantize: bool = False) -> None:
        super().__init__()
        self.quantize = quantize
        self.lpips = LPIPS(way_out=WITHOUT_METRIC)

    def prepare(self, runner: Measured) -> None:
        """Load the network's weights.

        Raises:
            FileNotFoundError: There are none; in a dry run that is only a warning.
        """
        self.lpips.load_pretrained()

    def protocol(self) -> dict[str, Any]:
        """Return the trunk, the version of its heads, and what is compared."""
        return dict(trunk='vgg16', version='0.1', quantize=self.quantize)

    def _pictures(
        self, batch: Batch, reconstruction: Reconstruction
    ) -> tuple[Tensor, Tensor]:
        image = reconstruction.image
        return normalize(to_uint8(image)) if self.quantize else image, batch.image

    @torch.no_grad()
    def _per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare images in [-1, 1], (b, 3, h, w) twice -> (b,)."""
        distance: Tensor = self.lpips.to(target.device)(prediction, target)
        return distance.double()
