"""How far told features are from a teacher's: the mean of 1 - cos over all tokens."""

from typing import Any

from torch import Tensor

from vq.metrics.mean import MeanMetric
from vq.models.losses.features import cosine_distance
from vq.registry import METRICS
from vq.types import Batch, Distillation


@METRICS.register_module()
class CosineLossMetric(MeanMetric):
    """Mean over all tokens of 1 - cos to the teacher's features, from 0 to 2."""

    def _values(self, batch: Batch, output: Distillation) -> Tensor:
        return cosine_distance(output.features.double(), output.target.double())

    def protocol(self) -> dict[str, Any]:
        """Return what is compared."""
        return dict(distance='1 - cos', mean='over tokens')
