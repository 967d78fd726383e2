"""The contract of a metric: reset, update with each batch, compute once."""

import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from vq import distributed
from vq.datasets.base import ImageDataset
from vq.metrics.protocol import Protocol
from vq.metrics.sources import FeatureSource
from vq.types import Batch


class Measured(typing.Protocol):
    """What a metric may ask of the run that it measures; a `Validator` is one.

    Attributes:
        model: The model.
        dataset: The data set that is walked.
        allow_mismatch: Whether statistics made in another way may be compared with.
    """

    model: nn.Module
    dataset: ImageDataset
    allow_mismatch: bool

    @property
    def data_protocol(self) -> Protocol:
        """What the pictures that are measured are."""

    @property
    def reference_data(self) -> Protocol:
        """The images that a metric without a named reference compares with."""

    def feature_source(self, extractor: Mapping[str, Any]) -> FeatureSource:
        """Return the source of an extractor's features, one for equal configs."""


class Metric(ABC):
    """Something measured on what a system makes of images, over batches and ranks.

    A rank keeps running sums on the device of the batches it sees, so that `update`
    never waits for the device, and `compute` adds the ranks up in one all-reduce.
    Sums, not means of means, make the result the same for any number of ranks and
    any cut into batches.
    """

    def __init__(self) -> None:
        self._device: torch.device | None = None

    @property
    def device(self) -> torch.device:
        """Where the sums lie: with the first batch, or on the rank's own device.

        The latter is for a rank that saw no batch and must join the all-reduce.
        """
        return self._device or distributed.device()

    def prepare(self, runner: Measured) -> None:  # noqa: B027
        """Learn what is to be known of the runner; called once, before all else.

        Raises:
            FileNotFoundError: A file that it needs is missing; says what makes it.
        """

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, plain values for the record.

        Numbers with different protocols are not compared without saying so.
        """
        return {}

    def reset(self) -> None:
        """Forget everything seen so far."""
        self._device = None

    def update(self, batch: Batch, output: Any) -> None:
        """Add one batch of this rank; no sample may come twice.

        Args:
            batch: The images.
            output: What the system made of them, one of `vq.types.Output`: a metric
                says in `_update` which kind it measures.
        """
        if self._device is None:
            self._device = batch.original_image.device
        self._update(batch, output)

    @abstractmethod
    def _update(self, batch: Batch, output: Any) -> None:
        """Add one batch to the sums, which belong on `self.device`."""

    @abstractmethod
    def compute(self) -> float | dict[str, float]:
        """Return the result over all ranks; every rank must call it.

        Raises:
            ValueError: No rank saw anything.
        """
