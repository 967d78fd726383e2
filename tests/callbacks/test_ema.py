"""The average equals its closed form, and goes on exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.runners.nets import distance, weights
from tests.runs import toy_trainer
from vq import checkpoints
from vq.callbacks import EMACallback
from vq.runners import Trainer

MOVED = ('scale', 'shift')


def trainer(folder: Path, iters: int = 6, start: int = 0, **changes: Any) -> Trainer:
    """Return a trainer with an average, saved at every iteration."""
    ema = dict(type='EMACallback', decay=0.75, start=start)
    callbacks = [ema, dict(type='CheckpointCallback', interval=1)]
    return toy_trainer(folder, iters=iters, callbacks=callbacks, **changes)


def saved(root: Path, iteration: int, stem: str) -> dict[str, Tensor]:
    """Return a checkpoint's weights."""
    folder = root / 'checkpoints' / f'iter_{iteration}'
    return checkpoints.read_weights([folder], ema=stem == 'ema')


@pytest.mark.parametrize('start', [0, 3])
def test_the_average_equals_its_closed_form(tmp_path: Path, start: int) -> None:
    one = trainer(tmp_path, start=start)
    history = [weights(one.model)]
    one.run()
    history += [saved(tmp_path, i, 'model') for i in range(1, 7)]
    for n in range(1, 7):
        average = saved(tmp_path, n, 'ema')
        for key in MOVED:
            terms = [(1 - 0.75) * 0.75 ** (n - i) for i in range(start + 1, n + 1)]
            first = 0.75 ** max(0, n - start)
            base = history[min(n, start)][key].double()
            expected = first * base + sum(
                t * history[i][key].double()
                for t, i in zip(terms, range(start + 1, n + 1), strict=True)
            )
            torch.testing.assert_close(
                average[key].double(), expected, atol=1e-6, rtol=0
            )
        for key in set(average) - set(MOVED):  # buffers are copies
            assert torch.equal(average[key], history[n][key])


def test_a_resume_is_exact(tmp_path: Path) -> None:
    trainer(tmp_path / 'one').run()
    other = trainer(tmp_path / 'two')
    other.resume(tmp_path / 'one' / 'checkpoints' / 'iter_3')
    other.run()
    straight, resumed = (saved(tmp_path / n, 6, 'ema') for n in ('one', 'two'))
    assert distance(straight, resumed) == 0
    assert distance(straight, saved(tmp_path / 'one', 6, 'model')) > 0


def test_the_average_is_no_view_of_the_weights(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    callback = one.callbacks[0]
    callback.before_run(one)
    before = {k: v.clone() for k, v in callback.weights()['ema'].items()}
    with torch.no_grad():
        for value in one.model.state_dict().values():
            value.add_(1)
    assert distance(callback.weights()['ema'], before) == 0


def test_of_a_resumed_average_what_fits_is_taken(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    callback = one.callbacks[0]
    odd = {'scale': torch.tensor(9.0), 'shift': torch.ones(3), 'old': torch.ones(1)}
    callback.load_weights({'ema': odd})
    callback.before_run(one)
    expected = weights(one.model) | {'scale': torch.tensor(9.0)}
    assert distance(callback.weights()['ema'], expected) == 0


@pytest.mark.parametrize('decay', [-0.1, 1.0])
def test_decays_out_of_range_are_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=f'decay must be in .*, got {decay}'):
        EMACallback(decay=decay)
