"""The contract of a metric: reset, update with each batch, compute once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from vq import distributed
from vq.types import Batch, Reconstruction

if TYPE_CHECKING:
    from vq.runners.validator import Validator


class Metric(ABC):
    """Something measured on reconstructions, gathered over batches and ranks.

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

    def prepare(self, runner: Validator) -> None:  # noqa: B027
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

    def update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        """Add one batch of this rank; no sample may come twice."""
        if self._device is None:
            self._device = batch.original_image.device
        self._update(batch, reconstruction)

    @abstractmethod
    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        """Add one batch to the sums, which belong on `self.device`."""

    @abstractmethod
    def compute(self) -> float | dict[str, float]:
        """Return the result over all ranks; every rank must call it.

        Raises:
            ValueError: No rank saw anything.
        """
