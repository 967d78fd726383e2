"""Early stopping: the count equals one by brute force, also after a resume."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.log import Records
from tests.runs import toy_trainer
from vq.callbacks import EarlyStoppingCallback
from vq.callbacks.base import Callback
from vq.checkpoints import list_checkpoints
from vq.registry import CALLBACKS
from vq.runners.watch import watch

NAN = math.nan
# The best is the fourth; 0.45 gains less than 0.1 on it.
VALUES = [0.9, 0.7, 0.8, 0.5, 0.6, NAN, 0.45, 0.44, 0.43, 0.3, 0.2, 0.1]


@CALLBACKS.register_module()
class FoundCallback(Callback):
    """Pretends to validate every second iteration, and finds given values."""

    validates = True

    def __init__(self, *, values: Sequence[float], name: str = 'val/l1') -> None:
        self.values, self.name = values, name

    def after_train_iter(self, runner: Any, batch: Any, logs: Any) -> None:
        number, rest = divmod(runner.iteration, 2)
        if not rest:
            logs[self.name] = torch.tensor(self.values[number - 1])
            runner.tell({self.name: logs[self.name]})


def stopped(values: Sequence[float], patience: int, delta: float, sign: int) -> int:
    """Return after how many values it stops, by looking at all that came before."""
    for number in range(1, len(values) + 1):
        best, at = math.inf, 0
        for i, value in enumerate(values[:number]):
            gain = sign * (best - value) if i and best != math.inf else 1.0
            if math.isfinite(value) and (best == math.inf or gain > delta):
                best, at = value, i + 1
        if number - at >= patience:
            return number
    return len(values)


def trainer(folder: Path, *, values: Sequence[float] = VALUES, **options: Any) -> Any:
    """Return a trainer of 24 iterations that pretends to validate."""
    callbacks = [
        dict(type='FoundCallback', values=values),
        dict(type='EarlyStoppingCallback', **options),
        dict(type='LogCallback', interval=2),
        dict(type='CheckpointCallback', interval=5),
    ]
    return toy_trainer(folder, iters=24, callbacks=callbacks)


def finished(folder: Path) -> int:
    """Return the iteration that the end marker names."""
    return int(json.loads((folder / 'finished.json').read_text())['iteration'])


CASES = [
    *[(VALUES, n, d, 'min') for n in (1, 2, 3, 6, 20) for d in (0.0, 0.1)],
    ([-v for v in VALUES], 3, 0.1, 'max'),
    ([NAN, NAN, NAN, 1.0], 3, 0.0, 'min'),
    ([math.inf, 0.9, 0.8, 0.7, 0.6], 2, 0.0, 'min'),
]


@pytest.mark.parametrize(('values', 'patience', 'delta', 'mode'), CASES)
def test_it_stops_where_brute_force_does(
    values: list[float], patience: int, delta: float, mode: str, tmp_path: Path
) -> None:
    values = [*values, *[0.0] * (12 - len(values))]
    sign = 1 if mode == 'min' else -1
    options: dict[str, Any] = dict(patience=patience, min_delta=delta, mode=mode)
    one = trainer(tmp_path, values=values, **options)
    one.run()
    expected = 2 * stopped(values, patience, delta, sign)
    assert (one.iteration, finished(tmp_path)) == (expected, expected)


def test_it_ends_in_good_order(tmp_path: Path, log: Records) -> None:
    trainer(tmp_path, patience=2).run()
    names = [path.name for path in list_checkpoints(tmp_path / 'checkpoints')]
    assert names == ['iter_5', 'iter_10', 'iter_12']
    # Whoever validates its checkpoints ends, too.
    assert [folder.name for folder in watch(tmp_path)] == names
    assert 'the best val/l1 was 0.5, at iteration 8' in log.texts()
    ended = 'ended at iteration 12 of 24: val/l1 has not improved for 2 validations'
    assert ended in log.texts()


def resumed(folder: Path, name: str, **options: Any) -> Any:
    """Return a trainer that has gone on from a checkpoint of a folder."""
    again = trainer(folder, **options)
    again.resume(folder / 'checkpoints' / name)
    again.run()
    return again


@pytest.mark.parametrize('start', [5, 10])
def test_a_resumed_run_has_the_same_count(start: int, tmp_path: Path) -> None:
    straight = trainer(tmp_path, patience=5, min_delta=0.1)
    straight.run()
    scalars = (tmp_path / 'scalars.jsonl').read_text()
    again = resumed(tmp_path, f'iter_{start}', patience=5, min_delta=0.1)
    assert again.iteration == straight.iteration == 18
    assert again.callbacks[1].state_dict() == straight.callbacks[1].state_dict()
    assert (tmp_path / 'scalars.jsonl').read_text() == scalars


def test_an_ended_run_ends_at_once_and_says_how_to_go_on(
    tmp_path: Path, log: Records
) -> None:
    trainer(tmp_path, patience=2).run()
    assert resumed(tmp_path, 'iter_12', patience=2).iteration == 12
    [way_on] = [text for text in log.texts() if 'goes on' in text]
    assert '--override .trainer.callbacks[1].patience:4' in way_on
    assert finished(tmp_path) == 12
    # As if the patience had been larger from the start.
    expected = trainer(tmp_path / 'other', patience=20)
    expected.run()
    more = resumed(tmp_path, 'iter_12', patience=20)
    assert (more.iteration, finished(tmp_path)) == (24, 24)
    assert more.callbacks[1].state_dict() == expected.callbacks[1].state_dict()


def test_errors_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no validation .*'val/l2'; .*`val/l1`"):
        trainer(tmp_path, metric='val/l2').run()
    behind = dict(type='EarlyStoppingCallback')
    with pytest.raises(ValueError, match='stands behind no ValidationCallback'):
        toy_trainer(tmp_path, callbacks=[behind]).run()
    with pytest.raises(ValueError, match=r"'l1'; did you mean 'val/l1'\?"):
        EarlyStoppingCallback(metric='l1')
    with pytest.raises(ValueError, match="'min', 0 and 0.0"):
        EarlyStoppingCallback(patience=0)
