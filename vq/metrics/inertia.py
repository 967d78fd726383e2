"""Inertia: how far a clustering's features are from their centres."""

from typing import Any

from torch import Tensor

from vq.metrics.mean import MeanMetric
from vq.registry import METRICS
from vq.types import Batch, Distillation


@METRICS.register_module()
class InertiaMetric(MeanMetric):
    """Mean over all tokens of the squared distance between features and target.

    What k-means minimises. The distance is summed over channels, so it depends on the
    teacher's width and scale; on the unit sphere it is twice the cosine loss.
    """

    def _values(self, batch: Batch, output: Distillation) -> Tensor:
        difference = output.features.double() - output.target.double()
        return difference.square().sum(1)

    def protocol(self) -> dict[str, Any]:
        """Return what is compared."""
        return dict(distance='squared, summed over channels', mean='over tokens')
