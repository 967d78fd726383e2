"""Early stopping: the end of a run that no longer gets better."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from vq.callbacks.base import Callback
from vq.config.errors import nearest
from vq.logs import VALIDATED
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)
Mode = Literal['min', 'max']


@CALLBACKS.register_module()
class EarlyStoppingCallback(Callback):
    """Ends the run when validations no longer find an improvement.

    The run ends in good order: the checkpoint is saved, and it counts as finished.
    Validations are ValidationCallback's, which stands before it.

    Args:
        metric: What they measure, by the name it has in the logs: 'val/l1'.
        mode: Whether small ('min') or large values are good.
        patience: The run ends at so many validations in a row without improvement.
        min_delta: What a value must gain on the best one to be an improvement.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        *,
        metric: str = 'val/l1',
        mode: Mode = 'min',
        patience: int = 10,
        min_delta: float = 0.0,
    ) -> None:
        if not metric.startswith(VALIDATED):
            raise ValueError(
                f'metric must be what a validation finds, {VALIDATED}NAME, got '
                f'{metric!r}; did you mean {VALIDATED + metric!r}?'
            )
        if mode not in ('min', 'max') or patience < 1 or min_delta < 0:
            raise ValueError(
                "mode must be 'min' or 'max', patience >= 1 and min_delta >= 0, got "
                f'{mode!r}, {patience} and {min_delta}'
            )
        self.metric = metric
        self.mode = mode
        self.patience = patience
        self.min_delta = min_delta
        self._best: float | None = None
        self._best_iteration = 0
        self._waited = 0

    def before_run(self, runner: Runner) -> None:
        """End a run at once that had ended so before, unless patience has grown.

        Raises:
            ValueError: No callback before this one validates.
        """
        place = runner.callbacks.index(self)
        if not any(callback.validates for callback in runner.callbacks[:place]):
            raise ValueError(
                'EarlyStoppingCallback stands behind no ValidationCallback: '
                "train_callbacks = dict(validation=dict(type='ValidationCallback'))"
            )
        way_on = (
            f'; a larger patience goes on: --override '
            f'.trainer.callbacks[{place}].patience:{2 * self.patience}'
        )
        self._end(runner, way_on)  # type: ignore[arg-type]

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Look at what a validation has found.

        Raises:
            ValueError: It does not measure the metric.
        """
        found = [name for name in logs if name.startswith(VALIDATED)]
        if not found:
            return
        if self.metric not in found:
            raise ValueError(
                f'EarlyStoppingCallback: no validation measures {self.metric!r}; '
                f'{nearest(self.metric, found)}'
            )
        value = float(logs[self.metric])
        if self._improves(value):
            self._best, self._best_iteration = value, runner.iteration
            self._waited = 0
        else:
            self._waited += 1
            self._end(runner)

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value) or self._best is None:
            return math.isfinite(value)
        gain = self._best - value if self.mode == 'min' else value - self._best
        return gain > self.min_delta

    def _end(self, runner: Trainer, way_on: str = '') -> None:
        if self._waited >= self.patience:
            runner.end(
                f'{self.metric} has not improved for {self._waited} validations{way_on}'
            )

    def after_run(self, runner: Runner) -> None:
        """Tell which validation was the best."""
        if self._best is not None:
            _logger.info(
                'the best %s was %.6g, at iteration %d',
                *(self.metric, self._best, self._best_iteration),
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and how many validations have come since."""
        return dict(
            best=self._best, iteration=self._best_iteration, waited=self._waited
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self._best, self._best_iteration = state['best'], state['iteration']
        self._waited = state['waited']
