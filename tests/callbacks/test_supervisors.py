"""Supervisors judge a run window by window, and warn once it goes wrong for long."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vq.callbacks import CodebookCallback, DiscriminatorCallback
from vq.config import load
from vq.config.checking import check


def runner() -> Any:
    """Return what a supervisor asks of a runner."""
    return SimpleNamespace(iteration=0)


def step(run: Any, callback: Any, logs: dict[str, torch.Tensor]) -> dict:
    run.iteration += 1
    callback.after_train_iter(run, None, logs)
    return logs


def accuracies(real: float, fake: float) -> dict[str, torch.Tensor]:
    return dict(accuracy_real=torch.tensor(real), accuracy_fake=torch.tensor(fake))


def test_a_discriminator_that_wins_is_told(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=2, patience=2)
    for _ in range(3):
        step(run, callback, accuracies(1.0, 1.0))
        step(run, callback, {})  # it learns at every second iteration
    (record,) = caplog.records
    assert 'tells 100.0% of real images and 100.0% of reconstructions' in caplog.text
    assert 'for 4 iterations' in record.getMessage()


def test_one_good_window_starts_the_patience_anew(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=1, patience=2)
    for real, fake in [(1, 1), (1, 0.9), (1, 1), (0.98, 1), (1, 1)]:
        step(run, callback, accuracies(real, fake))
    assert not caplog.records
    other = DiscriminatorCallback(interval=1, patience=2)
    other.load_state_dict(callback.state_dict())
    step(run, other, accuracies(1, 1))
    assert len(caplog.records) == 1


def test_the_way_out_can_be_typed_as_it_stands(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=1, patience=1)
    step(run, callback, accuracies(1, 1))
    message = caplog.records[0].getMessage()
    words = shlex.split(message[message.index("'.trainer") : message.index("',") + 1])
    path = Path(__file__).parents[2] / 'configs/vqgan/8192_imagenet_ddp.py'
    config = load(path, overrides=words)
    check(config)
    assert config.trainer.model.regularizers.r1.every == 16


def test_runs_have_supervisors_before_the_log() -> None:
    path = Path(__file__).parents[2] / 'configs/vqgan/8192_imagenet_ddp.py'
    kinds = [callback.type for callback in load(path).trainer.callbacks]
    assert kinds.index('CodebookCallback') < kinds.index('LogCallback')
    assert kinds.index('DiscriminatorCallback') < kinds.index('LogCallback')


@pytest.mark.parametrize('wrong', [dict(interval=0), dict(patience=0)])
def test_wrong_arguments_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CodebookCallback(**wrong)
