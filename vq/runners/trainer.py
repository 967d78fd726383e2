"""Trainer: a loop that can be killed at any moment and goes on bit for bit."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vq import checkpoints, distributed
from vq.datasets.loader import train_loader
from vq.registry import RUNNERS
from vq.runners import state
from vq.runners.base import Job, Runner
from vq.runners.guards import StopRequest
from vq.runners.tokens import check_tokens
from vq.runners.updates import OptimizerUpdate, Updates
from vq.types import Batch

_logger = logging.getLogger(__name__)
FINISHED = 'finished.json'


class NonFiniteError(RuntimeError):
    """Too many updates in a row were skipped."""


@RUNNERS.register_module()
class Trainer(Runner):
    """Trains a model for a number of iterations.

    Args:
        job: What the command line adds.
        model: Config of the model; it has `train_step(batch, optimizers)`.
        dataset: Config of the training data set.
        dataloader: `batch_size` (of all ranks and micro-batches together) and
            `num_workers`.
        optimizers: Configs by name, see updates.OptimizerUpdate; none for a model that
            learns from its passes alone.
        schedulers: Configs of learning-rate schedules by the optimizers' names.
        strategy: Config of the strategy.
        iters: Number of iterations; floats such as 26e4 are fine.
        callbacks: Configs of the callbacks, the checkpoint's last.
        accumulate: Micro-batches an iteration; they share the batch.
        weights: One or several files or checkpoint folders that `vq.train` loads at the
            start, before those of --load-model-from; None stands for no file.
        max_skipped: Stop when this many updates in a row were not finite.
        check_interval: Iterations between looks at the device for that.
    """

    training = True

    def __init__(
        self,
        *,
        job: Job,
        model: Mapping[str, Any],
        dataset: Mapping[str, Any],
        dataloader: Mapping[str, Any],
        strategy: Mapping[str, Any],
        iters: float,
        optimizers: Mapping[str, Mapping[str, Any]] | None = None,
        schedulers: Mapping[str, Mapping[str, Any]] | None = None,
        callbacks: Sequence[Mapping[str, Any]] = (),
        accumulate: int = 1,
        weights: str | Sequence[str | None] = (),
        max_skipped: int = 50,
        check_interval: int = 50,
    ) -> None:
        super().__init__(
            job=job,
            model=model,
            dataset=dataset,
            dataloader=dataloader,
            strategy=strategy,
            callbacks=callbacks,
        )
        self.iters = int(iters)
        self.accumulate = accumulate
        chosen = [weights] if isinstance(weights, str) else weights
        self.weights = [path for path in chosen if path]
        self.max_skipped = max_skipped
        self.check_interval = check_interval
        self._check_batch_size()
        schedules = dict(schedulers or {})
        self.optimizers = Updates()
        for name, spec in (optimizers or {}).items():
            self.optimizers[name] = OptimizerUpdate(
                name=name,
                spec=spec,
                schedule=schedules.pop(name, None),
                model=self.model,
                strategy=self.strategy,
                accumulate=accumulate,
            )
        if schedules:
            raise ValueError(
                f'schedulers {sorted(schedules)} belong to no optimizer; '
                f'there are {sorted(self.optimizers)}'
            )
        self._recent: deque[list[str]] = deque(maxlen=max_skipped + check_interval)
        self.unreadable = 0
        self.data_time = 0.0
        self._ended: str | None = None

    def _check_batch_size(self) -> None:
        size = self.dataloader['batch_size']
        share = distributed.world_size() * self.accumulate
        if size % share:
            raise ValueError(
                f'batch_size {size} is shared by {distributed.world_size()} ranks and '
                f'{self.accumulate} micro-batches: it must be a multiple of {share}'
            )

    @property
    def checkpoints_root(self) -> Path:
        """The folder of this run's checkpoints."""
        return self.work_dir / 'checkpoints'

    def run(self) -> None:
        """Train from the current iteration to the last, to `end`, or until a signal.

        Raises:
            CheckpointError: A frozen part has no weights, and this is no dry run.
            ValueError: The data set's tokens are another tokenizer's, see `tokens`; or
                a learning rate follows validations, and no callback validates.
        """
        state.check_frozen(self)
        check_tokens(self)
        self._check_validated()
        with StopRequest() as stop:
            self._ended = None
            if distributed.is_main():
                (self.work_dir / FINISHED).unlink(missing_ok=True)
            self.call('before_run')
            stopped = self._loop(stop)
            self.call('after_run')
            if stopped:
                _logger.warning(
                    '%s: stopped at iteration %d of %d; the same command with '
                    '--auto-resume goes on',
                    stop.reason,
                    self.iteration,
                    self.iters,
                )
            elif distributed.is_main():
                done = dict(iteration=self.iteration, time=time.time())
                checkpoints.write_json(self.work_dir / FINISHED, done)

    def end(self, reason: str) -> None:
        """End the run in good order after this iteration, or before the first.

        Enough that one rank calls it. The last checkpoint is saved, and the run counts
        as finished; resumed, it goes on unless somebody ends it again.

        Args:
            reason: What the log says of it.
        """
        self._ended = reason

    def _is_ended(self) -> bool:
        if not distributed.any_(self._ended is not None):
            return False
        why = self._ended or 'another rank ended it'
        _logger.info('ended at iteration %d of %d: %s', self.iteration, self.iters, why)
        return True

    def tell(self, found: Mapping[str, Tensor]) -> None:
        """Pass on what a validation has found to the learning rates that follow it.

        Args:
            found: Scalars by names such as `val/l1`, the same on all ranks.
        """
        for update in self.optimizers.values():
            update.schedule.tell(found)

    def _check_validated(self) -> None:
        for name, update in self.optimizers.items():
            awaited = update.schedule.awaited
            if awaited and not any(c.validates for c in self.callbacks):
                raise ValueError(
                    f'the learning rate of {name} follows {awaited}, but nobody '
                    'validates: '
                    "train_callbacks = dict(validation=dict(type='ValidationCallback'))"
                )

    def _loop(self, stop: StopRequest) -> bool:
        """Train; return whether a signal ended it early."""
        if self._is_ended():
            return False
        if self.iteration >= self.iters:
            _logger.info('already at iteration %d of %d', self.iteration, self.iters)
            return False
        loader = train_loader(
            self.dataset, **self.dataloader, seed=self.job.seed, start=self.iteration
        )
        self.model.train()
        waiting = time.perf_counter()
        for batch in loader:
            self.data_time = time.perf_counter() - waiting
            self._train_iter(batch)
            if self.iteration == self.iters:
                return False
            if distributed.any_(bool(stop) or self._ended is not None):
                return not self._is_ended()
            waiting = time.perf_counter()
        raise AssertionError('the training loader is endless')

    def _train_iter(self, batch: Batch) -> None:
        self._note(batch)
        if not len(batch):
            raise ValueError(
                "no image of a batch could be read; use on_error='replace' in the data "
                f'set: {batch.unreadable}'
            )
        batch = batch.to(self.strategy.device)
        self.call('before_train_iter', batch)
        logs: dict[str, Tensor] = {}
        for micro_batch in batch.chunk(self.accumulate):
            for key, value in self.model.train_step(  # type: ignore[operator]
                micro_batch, self.optimizers
            ).items():
                logs[key] = logs.get(key, 0) + value.detach() / self.accumulate
        for name, update in self.optimizers.items():
            if update.used:
                logs[f'{name}_gradient_norm'] = update.gradient_norm.detach()
            update.finish_iteration(logs)
        self.iteration += 1
        self.optimizers.iteration = self.iteration
        if self.iteration % self.check_interval == 0 or self.iteration == self.iters:
            self._check_finite()
        self.call('after_train_iter', batch, logs)

    def _note(self, batch: Batch) -> None:
        """Remember what was read, and tell of what could not be."""
        self._recent.append(batch.ids)
        for problem in batch.unreadable:
            self.unreadable += 1
            _logger.warning('unreadable image number %d: %s', self.unreadable, problem)

    def _check_finite(self) -> None:
        for name, update in self.optimizers.items():
            in_a_row = int(update.skipped_in_a_row)
            if in_a_row:
                _logger.warning(
                    'optimizer %s: the last %d updates were not finite and were '
                    'skipped (%d in all)',
                    name,
                    in_a_row,
                    int(update.skipped),
                )
            if in_a_row >= self.max_skipped:
                file = self.work_dir / f'non_finite_rank{distributed.rank()}.json'
                ids = list(self._recent)[-in_a_row:]
                checkpoints.write_json(file, dict(iteration=self.iteration, ids=ids))
                raise NonFiniteError(
                    f'{in_a_row} updates of optimizer {name} in a row were not finite; '
                    f"the batches' ids are in {file}. Resume from an older checkpoint "
                    'with a lower learning rate or clip_grad'
                )

    def load_weights(
        self, paths: Sequence[Path], *, strict: bool, ema: bool = False
    ) -> None:
        """Load weights to start from, see `state.start`."""
        state.start(self, paths, strict=strict, ema=ema)

    def save(self) -> Path:
        """Save everything that a resume needs as iter_N; every rank takes part.

        Raises:
            CheckpointError: It cannot be written; every rank raises.
        """
        return state.save(self)

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint folder.

        A callback's `resume_options` may hold `strict=False`: what the checkpoint
        lacks, or what does not fit, then starts anew, with a warning.

        Raises:
            CheckpointError: It is damaged or does not fit.
        """
        state.resume(self, folder)
