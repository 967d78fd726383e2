"""Scalars equal means by hand, on any number of ranks, and after a resume."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from tests.log import Records
from tests.ranks import run_ranks
from tests.runs import tiny_validator, toy_trainer
from vq import distributed
from vq.callbacks import log as logging_callback
from vq.callbacks.base import Callback
from vq.callbacks.log import Progress
from vq.registry import CALLBACKS
from vq.runners import Trainer

LOG = dict(type='LogCallback', interval=3)


@CALLBACKS.register_module()
class NoteLogs(Callback):
    """Keeps each iteration's scalars."""

    def __init__(self) -> None:
        self.logs: list[dict[str, float]] = []

    def after_train_iter(self, runner: Any, batch: Any, logs: Any) -> None:
        self.logs.append({key: float(value) for key, value in logs.items()})


def run(root: Path, iters: int = 7, **changes: Any) -> tuple[Trainer, Any]:
    """Train; return the trainer and each iteration's scalars."""
    callbacks = [dict(type='NoteLogs'), LOG, dict(type='CheckpointCallback')]
    trainer = toy_trainer(root, iters=iters, callbacks=callbacks, **changes)
    trainer.run()
    return trainer, trainer.callbacks[0].logs  # type: ignore[attr-defined]


def records(root: Path) -> list[dict[str, float]]:
    """Return the JSON lines."""
    lines = (root / 'scalars.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def means(logs: list[dict[str, float]], stops: list[int]) -> list[dict[str, float]]:
    """Return the means between the stops, as JSON lines hold them."""
    result = []
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        part = logs[start:stop]
        values = {k: sum(log[k] for log in part) / len(part) for k in part[0]}
        result.append(dict(iteration=stop, **values, generator_lr=0.1))
    return result


def test_scalars_are_means_since_the_last_line(tmp_path: Path) -> None:
    _, logs = run(tmp_path)
    assert records(tmp_path) == [
        pytest.approx(line, rel=1e-6) for line in means(logs, [3, 6, 7])
    ]
    assert set(logs[0]) == {'total', 'twice', 'generator_gradient_norm'}


def test_tensorboard_holds_the_same(tmp_path: Path) -> None:
    run(tmp_path)
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    found = [(event.step, event.value) for event in events.Scalars('train/total')]
    expected = [(r['iteration'], pytest.approx(r['total'])) for r in records(tmp_path)]
    assert found == expected
    assert {'train/generator_lr', 'train/data_time'} < set(events.Tags()['scalars'])


def logs_of_rank(root: Path) -> list[dict[str, float]]:
    """Train on this rank; return its own scalars."""
    return run(root, dataloader=dict(batch_size=4, num_workers=0))[1]


def test_scalars_are_means_over_ranks(tmp_path: Path) -> None:
    one, other = run_ranks(logs_of_rank, 2, tmp_path)
    assert one[0]['total'] != other[0]['total']
    both = [{k: (a[k] + b[k]) / 2 for k in a} for a, b in zip(one, other, strict=True)]
    assert records(tmp_path) == [
        pytest.approx(line, rel=1e-6) for line in means(both, [3, 6, 7])
    ]


@pytest.mark.parametrize('stop', [3, 4])
def test_a_resume_drops_later_lines_and_goes_on(tmp_path: Path, stop: int) -> None:
    callbacks = [LOG, dict(type='CheckpointCallback', interval=1)]
    toy_trainer(tmp_path / 'one', iters=9, callbacks=callbacks).run()
    straight = records(tmp_path / 'one')
    lines = (tmp_path / 'one' / 'scalars.jsonl').read_text()
    (tmp_path / 'one' / 'scalars.jsonl').write_text(lines + '{"iterat')  # torn
    again = toy_trainer(tmp_path / 'one', iters=9, callbacks=callbacks)
    again.resume(again.checkpoints_root / f'iter_{stop}')
    again.run()
    assert records(tmp_path / 'one') == straight


def test_skipped_updates_are_logged(tmp_path: Path) -> None:
    run(tmp_path, model=dict(type='Toy', bad=(4,)))
    found = [r.get('generator_skipped') for r in records(tmp_path)]
    assert found == [None, 1.0, 1.0]


def test_a_key_that_is_not_always_there_is_averaged_over_where_it_is(
    tmp_path: Path,
) -> None:
    trainer = toy_trainer(tmp_path, iters=9, callbacks=[LOG])
    callback = trainer.callbacks[0]
    callback.before_run(trainer)
    batch: Any = [0]
    for i, value in enumerate([1.0, 2.0, 6.0], 1):
        trainer.iteration = i
        logs: dict[str, Tensor] = {'a': torch.tensor(value)}
        if i > 1:
            logs['b'] = torch.tensor(value)
        callback.after_train_iter(trainer, batch, logs)
    callback.after_run(trainer)
    (line,) = records(tmp_path)
    assert (line['a'], line['b']) == (3.0, 4.0)


def test_progress_averages_and_foretells(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 120.0, 150.0])
    monkeypatch.setattr(logging_callback.time, 'perf_counter', lambda: next(times))
    progress = Progress()
    assert progress.eta(5) == timedelta(0)
    assert progress.step(10) == 2.0
    assert progress.eta(1000) == timedelta(seconds=2000)
    assert progress.step(10) == 3.0
    assert progress.eta(1000) == timedelta(seconds=2100)  # 0.9 * 2 + 0.1 * 3


def test_the_line_tells_where_it_is(tmp_path: Path, log: Records) -> None:
    run(tmp_path)
    lines = [text for text in log.texts() if text.startswith('Iter [')]
    pattern = r'Iter \[%d/7\] ETA 0:00:\d\d total=[\d.e-]+ twice=.* images_per_second='
    for line, iteration in zip(lines, (3, 6, 7), strict=True):
        assert re.match(pattern % iteration, line), line


def test_validation_tells_progress_and_results(tmp_path: Path, log: Records) -> None:
    results = tiny_validator(tmp_path).run()
    texts = log.texts()
    done = [text.split()[1] for text in texts if text.startswith('Batch')]
    assert done == ['[2/3]', '[3/3]']
    assert f'psnr = {results["psnr"]:.6g}' in texts
    assert not (tmp_path / 'scalars.jsonl').exists()
    assert distributed.world_size() == 1
