"""What every callback is: named moments of a run at which it may act."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vq.types import Batch, Output, Quantized

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer


class Callback:
    """Does nothing at every moment; subclasses act at some.

    Callbacks are called in the order of the config's list. The names of the moments are
    mmengine's.

    Attributes:
        block_size: Consecutive images that validation must leave on one rank; 0: any.
        resume_options: Options of `Trainer.resume`.
        dry_run_interval: What a dry run makes of its `interval`, if it takes one.
        validates: Whether it adds `val/NAME` to the logs, and tells `Trainer.tell`.
    """

    block_size: int = 0
    resume_options: Mapping[str, Any] = {}
    dry_run_interval: int = 1
    validates: bool = False

    def before_run(self, runner: Runner) -> None:
        """Act once everything is built and, in training, resumed."""

    def after_run(self, runner: Runner) -> None:
        """Act when the run ends in good order, also on a signal."""

    def before_train_iter(self, runner: Trainer, batch: Batch) -> None:
        """Act before an iteration; `runner.iteration` counts the completed ones."""

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """Act after an iteration; `logs` are this rank's scalars, on the device.

        What a callback adds to them those after it see, the log among them.
        """

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Act after a batch of validation or of tokenizing."""

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Act when the data set has been walked; `metrics` are over all ranks."""

    def done(self) -> Collection[int] | None:
        """Return the blocks that an earlier run has finished; None: it keeps none."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs: plain tensors, numbers and containers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Return model state dicts to save beside the model's, by file stem."""
        return {}

    def load_weights(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take back what `weights` returned."""
