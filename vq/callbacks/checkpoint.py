"""When checkpoints are saved, and which are kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vq import checkpoints, distributed
from vq.callbacks.base import Callback
from vq.config.errors import nearest
from vq.logs import read_json_lines
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)


@CALLBACKS.register_module()
class CheckpointCallback(Callback):
    """Saves every `interval` iterations and at the end, and removes what is old.

    Without `keep_last` everything is kept. It comes last in the list, so that the other
    callbacks have acted before their state is saved.

    Args:
        interval: Iterations between checkpoints.
        keep_last: Keep this many of the newest.
        keep_every: Keep, besides, those whose iteration this number divides.
        keep_best: Keep, besides, the best by a metric that `vq.val` has written:
            `dict(metric='psnr', mode='max')`.
        load_state_dict: Options of a resume; `dict(strict=False)` starts anew what the
            checkpoint does not hold or what does not fit.
    """

    def __init__(
        self,
        *,
        interval: int = 10_000,
        keep_last: int | None = None,
        keep_every: int | None = None,
        keep_best: Mapping[str, str] | None = None,
        load_state_dict: Mapping[str, Any] | None = None,
    ) -> None:
        if interval < 1 or (keep_last is not None and keep_last < 1):
            raise ValueError(
                'interval and keep_last must be at least 1, '
                f'got {interval} and {keep_last}'
            )
        if keep_best is not None and (
            set(keep_best) != {'metric', 'mode'}
            or keep_best['mode'] not in ('max', 'min')
        ):
            raise ValueError(
                "keep_best must be dict(metric=NAME, mode='max' or 'min'), "
                f'got {dict(keep_best)}'
            )
        self.interval = interval
        self.keep_last = keep_last
        self.keep_every = keep_every
        self.keep_best = keep_best
        self.resume_options = dict(load_state_dict or {})
        self._saved = -1

    def before_run(self, runner: Runner) -> None:
        """Note whether the iteration that a resume has brought is saved already."""
        folder = runner.work_dir / 'checkpoints' / f'iter_{runner.iteration}'
        self._saved = runner.iteration if folder.is_dir() else -1
        for callback in runner.callbacks if self.keep_best else ():
            interval = getattr(callback, 'interval', 1)
            if callback.validates and self.interval % interval:
                _logger.warning(
                    'keep_best: checkpoints come every %d iterations, validations '
                    'every %d; those without a validation are never the best',
                    *(self.interval, interval),
                )

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Save where the interval says so; a failure is logged, the run goes on."""
        if runner.iteration % self.interval:
            return
        try:
            self._save(runner)
        except checkpoints.CheckpointError as error:
            _logger.error('%s; training goes on, the next save tries again', error)

    def after_run(self, runner: Runner) -> None:
        """Save the last iteration, whatever the interval.

        Raises:
            CheckpointError: It cannot be written.
        """
        if self._saved != runner.iteration:
            self._save(runner)  # type: ignore[arg-type]

    def _save(self, runner: Trainer) -> None:
        folder = runner.save()
        self._saved = runner.iteration
        _logger.info('saved %s', folder)
        if distributed.is_main():
            self._rotate(runner)

    def _rotate(self, runner: Trainer) -> None:
        if self.keep_last is None:
            return
        folders = checkpoints.list_checkpoints(runner.checkpoints_root)
        best = self._best(runner.work_dir, {folder.name for folder in folders})
        for folder in folders[: -self.keep_last]:
            number = checkpoints.iteration(folder)
            if self.keep_every and number % self.keep_every == 0:
                continue
            if folder.name == best:
                continue
            _logger.info('removing %s', folder)
            checkpoints.remove(folder)

    def _best(self, work_dir: Path, names: Collection[str]) -> str | None:
        """Return which of the checkpoints called `names` is the best validated one."""
        if self.keep_best is None:
            return None
        metric, sign = self.keep_best['metric'], self.keep_best['mode'] == 'max' or -1
        records = read_json_lines(work_dir / 'val' / 'metrics.jsonl')
        own = [record for record in records if record.get('checkpoint') in names]
        if own and not any(metric in record for record in own):
            _logger.warning(
                'keep_best: no validation measures %r; %s',
                *(metric, nearest(metric, own[-1])),
            )
        found: dict[str, float] = {
            record['checkpoint']: sign * record[metric]
            for record in own
            if _is_finite(record.get(metric))
        }
        return max(found, key=found.__getitem__, default=None)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
