"""What metrics on features share: one extractor, one pass a batch, one protocol."""

import dataclasses
import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from vq import dry_run
from vq.metrics.base import Measured, Metric
from vq.metrics.protocol import Protocol
from vq.metrics.sources import FeatureSource
from vq.metrics.statistics import (
    MissingStatisticsError,
    Statistics,
    find_matching,
    locate,
)
from vq.models.extractors import Features
from vq.types import Batch, Reconstruction

_logger = logging.getLogger(__name__)
VARIOUS = 'various'  # the size of images that differ in it


class MismatchError(ValueError):
    """Two sets of images were not measured in the same way."""


class FeatureMetric(Metric):
    """Something measured on the features of reconstructions or of samples.

    Args:
        extractor: Config of the extractor; metrics with equal configs share it and its
            one pass over a batch. None is pytorch-fid's Inception.
    """

    source: FeatureSource

    def __init__(self, *, extractor: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._extractor = dict(extractor or dict(type='InceptionExtractor'))
        self._size: str | None = None
        self._data = Protocol()

    def prepare(self, runner: Measured) -> None:
        """Build the extractor, or take the one of another metric.

        Raises:
            FileNotFoundError: Its weights are missing.
        """
        self.source = runner.feature_source(self._extractor)
        self._data = runner.data_protocol

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._size = None

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        image = reconstruction.image
        size = 'x'.join(map(str, image.shape[-2:]))
        self._size = size if self._size in (None, size) else VARIOUS
        self._add(self.source.features(image), batch)

    @abstractmethod
    def _add(self, features: Features, batch: Batch) -> None:
        """Add the features of a batch of reconstructions."""

    @property
    def stamp(self) -> Protocol:
        """What the images seen so far are, and what they are seen with."""
        return self._seen(self._data)

    def _seen(self, data: Protocol) -> Protocol:
        """Return the stamp of images as the extractor sees them."""
        seen_with: dict[str, Any] = self.source.extractor.stamp()
        return dataclasses.replace(data, size=self._size, **seen_with)

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, for the record."""
        return self.stamp.to_dict()


class ReferencedMetric(FeatureMetric):
    """A comparison with statistics that were computed before.

    Args:
        reference: Name of statistics below pretrained/fid, `imagenet_val`, or a path;
            None is those of the very images that are validated, whatever their name;
            for samples, too.
        extractor: See `FeatureMetric`.
    """

    reference: Statistics | None

    def __init__(
        self,
        *,
        reference: str | None = None,
        extractor: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(extractor=extractor)
        self._given = reference
        self._name = reference or ''
        self._allow_mismatch = False
        self._mismatch: dict[str, tuple[Any, Any]] = {}

    def prepare(self, runner: Measured) -> None:
        """Build the extractor and find the statistics, before an image is seen.

        Raises:
            FileNotFoundError: Weights or statistics are missing; says what makes them.
            MismatchError: They were not made in this way, and that is not allowed.
        """
        super().prepare(runner)
        self._allow_mismatch = runner.allow_mismatch
        self.reference = self._find(runner)
        self._compare()

    def _find(self, runner: Measured) -> Statistics | None:
        try:
            if not self._given:
                self._name = find_matching(self._seen(runner.reference_data))
            return Statistics.load(locate(self._name))
        except MissingStatisticsError as error:
            if not dry_run.enabled():
                raise
            _logger.warning('dry run: compared with nothing, hence nan: %s', error)
            return None

    def _compare(self) -> None:
        """Compare the protocols as far as they are known by now."""
        if self.reference is None or dry_run.enabled():
            return
        differences = self.stamp.differences(self.reference.protocol)
        new = differences.keys() - self._mismatch.keys()
        self._mismatch |= differences
        if not new:
            return
        told = '; '.join(
            f'{name} is {ours}, there {theirs}'
            for name, (ours, theirs) in differences.items()
        )
        what = f'{locate(self._name)} was measured in another way: {told}'
        if not self._allow_mismatch:
            raise MismatchError(
                f'{what}. Make statistics that fit (python -m vq.fid), name others by '
                '`reference`, or pass --allow-mismatch: the result then says so'
            )
        _logger.warning(what)

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        before = self._size
        super()._update(batch, reconstruction)
        if self._size != before:
            self._compare()

    def protocol(self) -> dict[str, Any]:
        """Return what the number means: ours, the reference's, and what differs."""
        record: dict[str, Any] = dict(super().protocol(), reference=self._name or None)
        if self.reference is not None:
            record['reference_protocol'] = self.reference.protocol.to_dict()
        if self._mismatch:
            record['mismatch'] = {key: list(two) for key, two in self._mismatch.items()}
        return record
