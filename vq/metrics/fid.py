"""FID (https://arxiv.org/abs/1706.08500) and sFID (https://arxiv.org/abs/2103.03841)."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.metrics.base import Measured
from vq.metrics.features import ReferencedMetric
from vq.metrics.frechet import Gaussian, frechet_distance
from vq.metrics.moments import Moments
from vq.metrics.statistics import Statistics
from vq.models.extractors import Features
from vq.registry import METRICS
from vq.types import Batch


@METRICS.register_module()
class FIDMetric(ReferencedMetric):
    """The Fréchet distance of pooled features to cached statistics.

    On reconstructions it is rFID, on samples gFID. Memory is that of the covariance.

    Args:
        reference: See `ReferencedMetric`.
        extractor: See `FeatureMetric`.
    """

    def __init__(
        self,
        *,
        reference: str | None = None,
        extractor: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reference=reference, extractor=extractor)
        self._moments: Moments | None = None
        self._theirs: Gaussian | None = None

    def prepare(self, runner: Measured) -> None:
        """Build the extractor and find the statistics, before an image is seen.

        Raises:
            ValueError: The extractor has no such features, or the statistics are not
                of such.
        """
        super().prepare(runner)
        name, dim = type(self).__name__, self._dim()
        if not dim:
            extractor = type(self.source.extractor).__name__
            raise ValueError(f'{name} needs features that {extractor} does not have')
        if self.reference is None:
            return
        self._theirs = self._gaussian(self.reference)
        found = 0 if self._theirs is None else len(self._theirs.mean)
        if found != dim:
            raise ValueError(
                f'{name} compares {dim} features an image, and the statistics '
                f'{self._name} are of {found}; make them anew with vq.fid, or name '
                'others by `reference`'
            )

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
        if self._theirs is None:
            return math.nan  # in a dry run
        return frechet_distance(ours, self._theirs)


@METRICS.register_module()
class SFIDMetric(FIDMetric):
    """The Fréchet distance of the first seven channels of Inception's mixed_6/conv.

    ADM's evaluator takes TensorFlow's rule of resizing:
    `extractor=dict(type='InceptionExtractor', rule='tensorflow')`.
    """

    def _dim(self) -> int:
        return self.source.extractor.spatial_dim

    def _of(self, features: Features) -> Tensor:
        assert features.spatial is not None
        return features.spatial

    def _gaussian(self, statistics: Statistics) -> Gaussian | None:
        return statistics.spatial
