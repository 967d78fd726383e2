"""How well a probe tells classes: top-k accuracy and cross-entropy."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vq import distributed
from vq.metrics.base import Metric
from vq.metrics.mean import MeanMetric
from vq.registry import METRICS
from vq.types import Batch, Classification


def category_rank(logits: Tensor, category: Tensor) -> Tensor:
    """Return how many other classes are not below each image's own.

    An equal logit, or one that is no number, counts as above it, so that a classifier
    that knows nothing is not right because of its order of classes.

    Args:
        logits: Of k classes, (b, k).
        category: Each image's class, (b,).

    Returns:
        From 0, the best, to k - 1; (b,).
    """
    own = logits.gather(1, rearrange(category, 'b -> b 1'))
    return (~(logits < own)).sum(1) - 1


@METRICS.register_module()
class AccuracyMetric(Metric):
    """Share of the images whose class is among the k with the highest logits.

    Of equal logits that of the right class comes last. Where there are no more than k
    classes top-k is 1: each class is among them.

    Args:
        top_k: Each k gives a result `top<k>`.

    Raises:
        ValueError: There is no k, one is below 1, or one comes twice.
    """

    def __init__(self, *, top_k: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.top_k = tuple(top_k)
        if not top_k or min(top_k) < 1 or len({*top_k}) < len(self.top_k):
            raise ValueError(f'top_k must be different numbers >= 1, got {self.top_k}')
        self._right: Tensor | None = None
        self._count = 0

    def protocol(self) -> dict[str, Any]:
        """Return how ties count."""
        return dict(ties='wrong')

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._right = None
        self._count = 0

    def _update(self, batch: Batch, output: Classification) -> None:
        ranks = category_rank(output.logits, batch.category)
        right = torch.stack([(ranks < k).sum() for k in self.top_k])
        self._right = right if self._right is None else self._right + right
        self._count += len(ranks)

    def compute(self) -> dict[str, float]:
        """Return each top-k accuracy over all images of all ranks.

        Raises:
            ValueError: There was no image.
        """
        right = [0] * len(self.top_k) if self._right is None else self._right.tolist()
        sums = torch.tensor([*right, self._count], device=self.device)
        *right, count = distributed.sum_(sums).tolist()
        if count == 0:
            raise ValueError('AccuracyMetric saw no image')
        return {f'top{k}': n / count for k, n in zip(self.top_k, right, strict=True)}


@METRICS.register_module()
class CrossEntropyMetric(MeanMetric):
    """Cross-entropy of the logits with the classes, in nats per image."""

    def protocol(self) -> dict[str, Any]:
        """Return the unit."""
        return dict(unit='nats')

    def _values(self, batch: Batch, output: Classification) -> Tensor:
        logits = output.logits.double()
        return functional.cross_entropy(logits, batch.category, reduction='none')
