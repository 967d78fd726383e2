"""The contract of a metric: reset, update with each batch, compute once."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from vq import distributed
from vq.types import Batch, Reconstruction


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

    def prepare(self, model: nn.Module) -> None:  # noqa: B027
        """Learn what is to be known of the model; called once, before all else."""

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
