"""What a quantizer's own losses are on images that it does not learn from."""

from typing import Any

import torch
from torch import Tensor

from vq.metrics.mean import MeanMetric
from vq.registry import METRICS
from vq.types import Batch, Output


@METRICS.register_module()
class QuantizerLossMetric(MeanMetric):
    """Mean over all images of the sum of the quantizer's weighted losses.

    Exact for losses that are means over latents, as codebook and commitment losses are;
    an entropy of a whole batch depends on the batch.
    """

    def _values(self, batch: Batch, output: Output) -> Tensor:
        losses = list(output.quantized.losses.values())
        if not losses:
            return torch.zeros(len(batch), dtype=torch.float64, device=self.device)
        return torch.stack(losses).double().sum().expand(len(batch))

    def protocol(self) -> dict[str, Any]:
        """Return what is averaged."""
        return dict(losses="the quantizer's, weighted", mean='over images')
