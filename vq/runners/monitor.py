"""Monitor: validates each checkpoint of a training run, and keeps the records."""

import logging
from collections.abc import Sequence
from pathlib import Path

from vq import checkpoints, distributed
from vq.callbacks.validation import log_callback, validate
from vq.runners.validator import Validator
from vq.runners.watch import watch
from vq.visual import Visualizer

_logger = logging.getLogger(__name__)


class Monitor:
    """Validates checkpoints with one validator, built once.

    For each checkpoint the metrics go to val/metrics.jsonl, and as `val/<metric>` at
    its iteration to the backends of the validator's LogCallback: to TensorBoard in a
    file of its own beside the training's, to W&B and SwanLab as a run of its own in the
    training's group. Nothing that the training wrote is touched.

    Args:
        validator: Runs each checkpoint, in val/iter_N.
        work_dir: The training run's folder.
        files: Weight files that each checkpoint's weights are laid over.
    """

    def __init__(
        self, validator: Validator, *, work_dir: Path, files: Sequence[Path] = ()
    ) -> None:
        self._validator = validator
        self._work_dir = work_dir
        self._files = list(files)

    def run(
        self, *, names: Sequence[str] | None = None, forever: bool = False
    ) -> dict[str, dict[str, float]]:
        """Validate until there is nothing to wait for; return metrics by checkpoint.

        Args:
            names: Just these checkpoints, waiting for each; None means all.
            forever: Go on after the end of the training.
        """
        self._open()
        try:
            results = self._run(names=names, forever=forever)
        finally:
            self._close()
        _logger.info('validated %d checkpoints', len(results))
        for name, metrics in results.items():
            line = ' '.join(f'{key}={value:.5g}' for key, value in metrics.items())
            _logger.info('%s: %s', name, line)
        return results

    def _open(self) -> None:
        if distributed.is_main():
            log = log_callback(self._validator)
            name = self._validator.job.name
            self._validator.visualizer = Visualizer(
                self._work_dir, log.backends, name=name, kind='val'
            )

    def _close(self) -> None:
        if self._validator.visualizer is not None:
            self._validator.visualizer.close()

    def _run(
        self, *, names: Sequence[str] | None, forever: bool
    ) -> dict[str, dict[str, float]]:
        results: dict[str, dict[str, float]] = {}
        for folder in watch(self._work_dir, names=names, forever=forever):
            _logger.info('validating %s', folder)
            if not self._load(folder):
                continue
            iteration = checkpoints.iteration(folder)
            results[folder.name] = validate(
                self._validator, work_dir=self._work_dir, iteration=iteration
            )
        return results

    def _load(self, folder: Path) -> bool:
        """Load a checkpoint; return False, on all ranks, if it is gone or damaged.

        One bad file shall not end a watch of weeks. Weights that do not fit the config
        shall: no other checkpoint of the run would.
        """
        problem = None
        try:
            self._validator.load_weights(
                [*self._files, folder], strict=True, ema=self._validator.ema
            )
        except (checkpoints.CheckpointError, OSError) as error:
            if folder.exists() and checkpoints.damage(folder) is None:
                raise
            problem = error
        if not distributed.any_(problem is not None):
            return True
        _logger.warning('%s is passed over: %s', folder, problem)
        return False
