"""FID (https://arxiv.org/abs/1706.08500) and sFID (https://arxiv.org/abs/2103.03841)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vq.metrics.features import ReferencedMetric
from vq.metrics.frechet import Gaussian, frechet_distance
from vq.metrics.moments import Moments
from vq.metrics.statistics import Statistics
from vq.models.extractors import Features
from vq.registry import METRICS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.validator import Validator


@METRICS.register_module()
class FIDMetric(ReferencedMetric):
    """The Fréchet distance of pooled features to cached statistics.

    On reconstructions it is rFID, on samples gFID. Memory is that of the covariance.

    Args:
        reference: Name of statistics below pretrained/fid, `imagenet_val`, or a path.
        extractor: See `FeatureMetric`.
    """

    def __init__(
        self, *, reference: str, extractor: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(reference=reference, extractor=extractor)
        self._moments: Moments | None = None

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._moments = None

    def _dim(self) -> int:
        return self.source.extractor.dim

    def _of(self, features: Features) -> Tensor:
        return features.pooled

    def _gaussian(self, statistics: Statistics) -> Gaussian | None:
        return statistics.pooled

    def _open(self) -> Moments:
        if self._moments is None:
            self._moments = Moments(self._dim(), device=self.device)
        return self._moments

    def _add(self, features: Features, batch: Batch) -> None:
        self._open().update(self._of(features))

    def compute(self) -> float:
        """Return the distance; all ranks must call it.

        Raises:
            ValueError: There were fewer than two images.
        """
        ours = self._open().gaussian()
        self.source.forget()
        if self.reference is None:
            return math.nan
        theirs = self._gaussian(self.reference)
        assert theirs is not None
        return frechet_distance(ours, theirs)


@METRICS.register_module()
class SFIDMetric(FIDMetric):
    """The Fréchet distance of the first seven channels of Inception's mixed_6/conv.

    ADM's evaluator takes TensorFlow's rule of resizing:
    `extractor=dict(type='InceptionExtractor', rule='tensorflow')`.
    """

    def prepare(self, runner: Validator) -> None:
        """Build the extractor and find the statistics of its inner map.

        Raises:
            ValueError: The extractor or the statistics have none.
        """
        super().prepare(runner)
        if not self._dim():
            name = type(self.source.extractor).__name__
            raise ValueError(f'sFID needs an inner feature map, and {name} has none')
        if self.reference is not None and self.reference.spatial is None:
            raise ValueError(
                f'the statistics {self._name} hold no inner feature map, which sFID '
                'needs; make them anew with vq.fid, or leave sfid out'
            )

    def _dim(self) -> int:
        return self.source.extractor.spatial_dim

    def _of(self, features: Features) -> Tensor:
        assert features.spatial is not None
        return features.spatial

    def _gaussian(self, statistics: Statistics) -> Gaussian | None:
        return statistics.spatial
