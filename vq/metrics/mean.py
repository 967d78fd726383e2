"""Metrics that are means: of a value that each image, or each token, has."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from vq import distributed
from vq.metrics.base import Metric
from vq.types import Batch


class MeanMetric(Metric):
    """The mean of values, of which each batch has some."""

    def __init__(self) -> None:
        super().__init__()
        self._total: Tensor | None = None
        self._count = 0

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._total = None
        self._count = 0

    def _update(self, batch: Batch, output: Any) -> None:
        values = self._values(batch, output)
        total = values.sum()
        self._total = total if self._total is None else self._total + total
        self._count += values.numel()

    @abstractmethod
    def _values(self, batch: Batch, output: Any) -> Tensor:
        """Return the values of a batch, float64, any shape."""

    def compute(self) -> float:
        """Return the mean over all values of all ranks.

        Raises:
            ValueError: There was no image.
        """
        total = 0 if self._total is None else self._total.item()
        sums = torch.tensor([total, self._count], dtype=torch.float64)
        total, count = distributed.sum_(sums.to(self.device)).tolist()
        if count == 0:
            raise ValueError(f'{type(self).__name__} saw no image')
        return float(total / count)
