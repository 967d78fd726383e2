"""Validation: of checkpoints, or of the live weights while they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import checkpoints, distributed, dry_run
from vq.callbacks.aliases import aliased
from vq.callbacks.base import Callback
from vq.callbacks.ema import EMACallback
from vq.callbacks.log import LogCallback
from vq.callbacks.untouched import same_randomness
from vq.logs import VALIDATED, append_json, read_json_lines, write_json_lines
from vq.registry import CALLBACKS, RUNNERS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer
    from vq.runners.validator import Validator

RECORDS = Path('val', 'metrics.jsonl')  # in the run's folder


def log_callback(validator: Validator) -> LogCallback:
    """Return a validator's LogCallback, or one with all defaults."""
    found = [c for c in validator.callbacks if isinstance(c, LogCallback)]
    return found[0] if found else LogCallback()


def validate(
    validator: Validator, *, work_dir: Path, iteration: int
) -> dict[str, float]:
    """Run a validator whose weights are loaded, and write down what it measures.

    Metrics go to val/metrics.jsonl and the validator's visualizer, what its callbacks
    write to val/iter_N.

    Args:
        validator: The validator.
        work_dir: The training run's folder.
        iteration: How long the weights were trained.
    """
    name = f'iter_{iteration}'
    validator.work_dir = work_dir / 'val' / name
    validator.trained = iteration
    metrics = validator.run()
    if distributed.is_main():
        record = dict(checkpoint=name, iteration=iteration, **metrics)
        record['protocols'] = validator.protocols()
        append_json(work_dir / RECORDS, record)
    if validator.visualizer is not None:
        scalars = {f'{VALIDATED}{key}': value for key, value in metrics.items()}
        alike = aliased(log_callback(validator).aliases, scalars)
        validator.visualizer.scalars(scalars | alike, iteration)
    return metrics


@CALLBACKS.register_module()
class ValidationCallback(Callback):
    """Validates the weights while they are trained, as `vq.val` would.

    The config's validator measures them, or, where it says `ema`, their average: every
    `interval` iterations and after the last one. It writes what `vq.val` writes and
    adds `val/NAME` to the logs, which a learning rate may follow (`monitor`), and
    EarlyStoppingCallback. Neither the training model nor any random state changes.

    The validator holds a model of its own, so that weights are in memory twice. It is
    built when training begins: what it lacks is missed then. Under the name
    `validation` the callback stands behind all that change weights, and before the log.

    Args:
        interval: Iterations between validations.
    """

    dry_run_interval = dry_run.ITERATIONS  # once, at the end
    validates = True

    def __init__(self, *, interval: int = 10_000) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.interval = interval
        self._validator: Validator | None = None

    def before_run(self, runner: Runner) -> None:
        """Build the validator; drop the records that will be written again.

        Raises:
            ConfigError: The config has no validator.
            FileNotFoundError: A metric needs a file that is missing.
            ValueError: It wants averaged weights, and there are none.
            CheckpointError: Its model is another one.
        """
        if self._validator is None:
            self._validator = _build(runner)
        if self._validator.ema and _average(runner) is None:
            raise ValueError(
                'the validator wants averaged weights (ema=True), and there are none: '
                "train_callbacks = dict(ema=dict(type='EMACallback'))"
            )
        _copy_weights(runner, self._validator)
        if distributed.is_main():
            _drop(runner.work_dir / RECORDS, after=runner.iteration)

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """Validate where the interval says so, and after the last iteration."""
        if runner.iteration % self.interval and runner.iteration != runner.iters:
            return
        device = runner.strategy.device
        found = {
            f'{VALIDATED}{name}': torch.tensor(value, device=device)
            for name, value in self._validate(runner).items()
        }
        logs.update(found)
        runner.tell(found)

    def _validate(self, runner: Trainer) -> dict[str, float]:
        validator = self._validator
        assert validator is not None
        validator.visualizer = runner.visualizer
        try:
            validator.strategy.take_over()
            with same_randomness(runner.strategy.device):
                _copy_weights(runner, validator)
                return validate(
                    validator, work_dir=runner.work_dir, iteration=runner.iteration
                )
        finally:
            runner.strategy.take_over()


def _build(runner: Runner) -> Validator:
    """Build the validator of a run's config, with the job that `vq.val` gives it."""
    job = type(runner.job)(
        name=f'{runner.job.name}/val',
        work_dir=runner.work_dir / 'val',
        config=runner.job.config,
    )
    try:
        with same_randomness(runner.strategy.device):
            validator: Validator = RUNNERS.build(job.config.validator, job=job)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'ValidationCallback: {error} (in training: '
            '--override .validator.skip_missing:True)'
        ) from error
    finally:
        runner.strategy.take_over()
    return validator


def _average(runner: Runner) -> EMACallback | None:
    return next((c for c in runner.callbacks if isinstance(c, EMACallback)), None)


def _copy_weights(runner: Runner, validator: Validator) -> None:
    """Give the validator the weights that are trained, or their average."""
    state = runner.model.state_dict()
    averaged = _average(runner)
    if validator.ema and averaged is not None:
        state |= averaged.average
    _, fitting = checkpoints.match(validator.model, state)
    # Rank 0's are saved; what a batch norm counts is each rank's own.
    whole = {
        key: distributed.from_main(distributed.everywhere(value))
        for key, value in fitting.items()
    }
    validator.strategy.load_model_state(validator.model, whole, strict=False)


def _drop(path: Path, *, after: int) -> None:
    """Drop the records of later iterations and a torn line, if there are any."""
    if path.exists():
        records = read_json_lines(path)
        write_json_lines(path, [r for r in records if r['iteration'] <= after])
