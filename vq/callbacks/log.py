"""Logs: a line with an ETA, TensorBoard and its kin, and JSON lines."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from vq import distributed
from vq.callbacks.aliases import Aliases, absent, aliased
from vq.callbacks.base import Callback
from vq.logs import VALIDATED, append_json, read_json_lines, write_json_lines
from vq.registry import CALLBACKS
from vq.types import Batch, Output, Quantized
from vq.visual import Visualizer

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)
DECAY = 0.9  # of the mean time an iteration takes, from one log line to the next
SCALARS = 'scalars.jsonl'
BACKENDS = (dict(type='TensorboardVisBackend'),)
SPEED = 'speed.jsonl'  # apart from the scalars, which a resumed run repeats exactly


def _number(value: float) -> str:
    return f'{value:.4g}'


def _memory(device: torch.device) -> str:
    """Return the largest GPU memory of this host's ranks since the last call."""
    if device.type != 'cuda':
        return ''
    used = torch.tensor(float(torch.cuda.max_memory_allocated(device)))
    if distributed.world_size() > 1:
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
    torch.cuda.reset_peak_memory_stats(device)
    return f' Memory {float(used) / 2**20:.2f}M'


class Progress:
    """The mean time of a step, and when the last one will be done."""

    def __init__(self) -> None:
        self._time = time.perf_counter()
        self.seconds: float | None = None

    def step(self, steps: int) -> float:
        """Note that `steps` steps are done; return the seconds that each took."""
        now = time.perf_counter()
        latest, self._time = (now - self._time) / steps, now
        mean = latest if self.seconds is None else self.seconds
        self.seconds = DECAY * mean + (1 - DECAY) * latest
        return latest

    def eta(self, remaining: int) -> timedelta:
        """Return the time that `remaining` steps will take."""
        return timedelta(seconds=round(remaining * (self.seconds or 0.0)))


@CALLBACKS.register_module()
class LogCallback(Callback):
    """Logs means over the iterations since the last log line.

    Values stay on the device until then. On the console and in the log file:
    `Iter [50/260000] ETA 1 day, 2:03:04 Memory 1234.56M total=0.123 ...`; as JSON in
    scalars.jsonl, from which a resume drops what it will do again; and in TensorBoard
    or whatever `backends` names.

    The backends name them `train/NAME`, and get the run's config at the start. What
    validations find, `val/NAME`, goes there when it is found, by `vq.val` too, which
    asks the validator's LogCallback.

    Args:
        interval: Iterations (in validation: batches) between log lines.
        backends: Configs of mmengine's Visualizer backends, such as
            `dict(type='TensorboardVisBackend')`, `WandbVisBackend` ...
        aliases: Further names under which scalars.jsonl and the backends get a number:
            `dict(rec_loss='l1_loss')`, or the sum of several, those that there are:
            `dict(aeloss=['total', 'generator_loss'])`.
    """

    def __init__(
        self,
        *,
        interval: int = 50,
        backends: Sequence[Mapping[str, Any]] = BACKENDS,
        aliases: Aliases = MappingProxyType({}),
    ) -> None:
        self.interval = interval
        self.backends = backends
        self.aliases = aliases
        self._told = False
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._images = 0
        self._progress: Progress | None = None
        self._steps = 0

    def before_run(self, runner: Runner) -> None:
        """Open the backends; drop the JSON lines that will be written again."""
        self._progress = Progress()
        self._steps = 0
        if not runner.training or not distributed.is_main():
            return
        job = runner.job
        runner.visualizer = Visualizer(
            runner.work_dir, self.backends, name=job.name, config=job.config
        )
        path = runner.work_dir / SCALARS
        kept = [r for r in read_json_lines(path) if r['iteration'] <= runner.iteration]
        write_json_lines(path, kept)

    def after_run(self, runner: Runner) -> None:
        """Close the backends."""
        if runner.training and runner.visualizer is not None:
            runner.visualizer.close()

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Add up, and log where the interval says so, and at the last iteration."""
        for key, value in logs.items():
            self._sums[key] = self._sums.get(key, 0) + value.detach().float()
            self._counts[key] = self._counts.get(key, 0) + 1
        self._images += len(batch) * distributed.world_size()
        self._steps += 1
        if runner.iteration % self.interval == 0 or runner.iteration == runner.iters:
            self._log(runner)

    def _log(self, runner: Trainer) -> None:
        assert self._progress is not None
        values = self._means()
        for name, update in runner.optimizers.items():
            values[f'{name}_lr'] = update.lr
            if skipped := int(update.skipped):
                values[f'{name}_skipped'] = float(skipped)
        alike = aliased(self.aliases, values)
        if distributed.is_main():
            record = dict(iteration=runner.iteration, **values, **alike)
            append_json(runner.work_dir / SCALARS, record)
        seconds = self._progress.step(self._steps)
        speed = dict(
            images_per_second=self._images / (seconds * self._steps),
            data_time=runner.data_time,
        )
        if distributed.is_main():
            record = dict(iteration=runner.iteration, **speed)
            append_json(runner.work_dir / SPEED, record)
        self._images = self._steps = 0
        memory = _memory(runner.strategy.device)
        _logger.info(
            'Iter [%d/%d] ETA %s%s %s',
            runner.iteration,
            runner.iters,
            self._progress.eta(runner.iters - runner.iteration),
            memory,
            ' '.join(f'{k}={_number(v)}' for k, v in (values | speed).items()),
        )
        if runner.visualizer is not None:
            scalars = {
                f'train/{k}': v
                for k, v in (values | speed | alike).items()
                if not k.startswith(VALIDATED)
            }
            runner.visualizer.scalars(scalars, runner.iteration)
        self._tell_of_aliases(values)

    def _tell_of_aliases(self, values: Mapping[str, float]) -> None:
        """Name, once, those of nothing; what they mean may begin later."""
        if not self._told:
            for line in absent(self.aliases, values):
                _logger.info('%s', line)
        self._told = True

    def _means(self) -> dict[str, float]:
        """Read the means over iterations and ranks off the device, in one transfer."""
        keys = list(self._sums)
        if not keys:
            return {}
        counts = [self._counts[key] for key in keys]
        stacked = torch.stack([self._sums[key].double() for key in keys])
        means = distributed.mean(stacked).tolist()
        self._sums.clear()
        self._counts.clear()
        return {k: m / n for k, m, n in zip(keys, means, counts, strict=True)}

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Log how far validation is."""
        assert self._progress is not None
        self._images += len(batch) * distributed.world_size()
        self._steps += 1
        done, total = runner.iteration, runner.total_batches
        if self._steps == self.interval or done == total:
            seconds = self._progress.step(self._steps)
            _logger.info(
                'Batch [%d/%d] ETA %s images_per_second=%s',
                done,
                total,
                self._progress.eta(total - done),
                _number(self._images / max(seconds * self._steps, 1e-9)),
            )
            self._images = self._steps = 0

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Log the metrics."""
        for name, value in metrics.items():
            _logger.info('%s = %s', name, f'{value:.6g}')
            if not math.isfinite(value):
                _logger.warning('%s is not finite', name)

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's sums since the last log line."""
        sums = {key: value.cpu() for key, value in self._sums.items()}
        return dict(sums=sums, counts=dict(self._counts))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with saved sums."""
        device = distributed.device()
        self._sums = {k: v.to(device) for k, v in state['sums'].items()}
        self._counts = dict(state['counts'])
