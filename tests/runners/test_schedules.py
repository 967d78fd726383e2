"""Schedules: closed forms at every iteration, and resumes at every one of them."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from tests.ranks import run_ranks
from tests.runs import toy_trainer
from vq import distributed
from vq.runners.schedules import Schedule

LR = 0.5
WARM_UP = dict(
    type='SequentialLR',
    schedulers=[
        dict(type='LinearLR', start_factor=0.1, total_iters=4),
        dict(type='CosineAnnealingLR', T_max=10, eta_min=0.01),
    ],
    milestones=[4],
)
STEP = dict(type='StepLR', step_size=3, gamma=0.5)
PLATEAU = dict(
    type='ReduceLROnPlateau', factor=0.5, patience=1, monitor='loss', interval=2
)


def warm_up(i: int, *, length: int = 10) -> float:
    """Return the closed form of WARM_UP."""
    if i < 4:
        return LR * (0.1 + 0.9 * i / 4)
    return 0.01 + (LR - 0.01) * (1 + math.cos(math.pi * (i - 4) / length)) / 2


FORMS: dict[str, tuple[dict[str, Any] | None, Callable[[int], float]]] = {
    'warm-up, cosine': (WARM_UP, warm_up),
    'steps': (STEP, lambda i: LR * 0.5 ** (i // 3)),
    'constant': (None, lambda i: LR),
    'one cycle': (
        dict(type='PolynomialLR', total_iters=8, power=2.0),
        lambda i: LR * (1 - min(i, 8) / 8) ** 2,
    ),
}


def schedule(spec: Mapping[str, Any] | None, *, lr: float = LR) -> Any:
    """Return a schedule and the group whose rate it moves."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    return Schedule(optimizer, spec), optimizer


def rates(
    made: Any, number: int, logs: Callable[[int], dict[str, Tensor]] = lambda i: {}
) -> list[float]:
    """Return the rate before each of `number` iterations."""
    one, optimizer = made
    result = []
    for i in range(number):
        result.append(optimizer.param_groups[0]['lr'])
        one.step(logs(i))
    return result


def saved(one: Schedule, folder: Path) -> Any:
    """Return a schedule's state as it comes back from a file."""
    torch.save(one.state_dict(), folder / 'x.pth')
    return torch.load(folder / 'x.pth', weights_only=True)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(('spec', 'form'), FORMS.values(), ids=FORMS)
def test_rates_equal_the_closed_form_and_go_on_after_any_resume(
    spec: dict[str, Any] | None, form: Callable[[int], float], tmp_path: Path
) -> None:
    straight = rates(schedule(spec), 14)
    assert straight == pytest.approx([form(i) for i in range(14)], rel=1e-9)
    for stop in range(14):
        first = schedule(spec)
        rates(first, stop)
        second = schedule(spec)
        second[0].load_state_dict(saved(first[0], tmp_path))
        assert rates(second, 14 - stop) == straight[stop:]


@pytest.mark.parametrize('stop', [2, 7, 14])
def test_a_resume_follows_the_longer_schedule_of_the_config(stop: int) -> None:
    first = schedule(WARM_UP)
    rates(first, stop)
    longer: dict[str, Any] = dict(WARM_UP)
    longer['schedulers'] = [
        WARM_UP['schedulers'][0],
        dict(type='CosineAnnealingLR', T_max=30, eta_min=0.01),
    ]
    second = schedule(longer)
    second[0].load_state_dict(first[0].state_dict())
    expected = [warm_up(i, length=30) for i in range(stop, 34)]
    assert rates(second, 34 - stop) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('spec', [None, STEP, WARM_UP])
def test_a_resume_follows_the_rate_of_the_config(spec: dict[str, Any] | None) -> None:
    first, second = schedule(spec), schedule(spec, lr=0.1)
    rates(first, 5)
    second[0].load_state_dict(first[0].state_dict())
    assert rates(second, 3) == rates(schedule(spec, lr=0.1), 8)[5:]


def losses(i: int) -> dict[str, Tensor]:
    """Return a loss whose means of two are 4, 3, 3, 3, 3, 2.5, 2.5, 2.5 ..."""
    means = [4, 3, 3, 3, 3, 2.5, 2.5, 2.5, 2.5]
    return {'loss': torch.tensor(means[i // 2] + (1.0 if i % 2 else -1.0))}


def plateau_by_hand() -> list[float]:
    """Return the rates: with patience 1, the second mean in a row without gain halves.

    Means are seen after iterations 1, 3, 5 ...: 4 (best), 3 (best), 3 and 3 (halve),
    3 (bad 1), 2.5 (best), 2.5, 2.5 (halve), 2.5.
    """
    return [0.5] * 8 + [0.25] * 8 + [0.125] * 2


def test_plateau_equals_a_computation_by_hand() -> None:
    assert rates(schedule(PLATEAU), 18, losses) == plateau_by_hand()


@pytest.mark.parametrize('stop', range(18))
def test_plateau_goes_on_after_a_resume(stop: int, tmp_path: Path) -> None:
    first, second = schedule(PLATEAU), schedule(PLATEAU)
    rates(first, stop, losses)
    second[0].load_state_dict(saved(first[0], tmp_path))
    rest = rates(second, 18 - stop, lambda i: losses(i + stop))
    assert rest == plateau_by_hand()[stop:]


def test_plateau_keeps_its_reductions_under_another_rate() -> None:
    first, second = schedule(PLATEAU), schedule(PLATEAU, lr=0.1)
    rates(first, 10, losses)
    second[0].load_state_dict(first[0].state_dict())
    assert second[1].param_groups[0]['lr'] == pytest.approx(0.05)


def test_plateau_needs_its_loss_where_the_optimizer_moved() -> None:
    one, optimizer = schedule(PLATEAU)
    for _ in range(4):
        one.step({'total': torch.tensor(1.0)}, updated=False)
    assert optimizer.param_groups[0]['lr'] == LR
    with pytest.raises(ValueError, match=r"no loss is called 'loss'; .*\['total'\]"):
        one.step({'total': torch.tensor(1.0)})


FOUND = [1.0, 0.8, 0.9, math.nan, 0.95, 0.97, 0.92, 0.91, 0.9, 0.1]


@pytest.mark.parametrize('interval', [None, 2])
@pytest.mark.parametrize('stop', [0, 3, 4, 7])
def test_plateau_of_validations_equals_torch_stepped_by_hand(
    interval: int | None, stop: int, tmp_path: Path
) -> None:
    options: dict[str, Any] = dict(mode='min', factor=0.5, patience=1)
    theirs = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    spec = dict(type='ReduceLROnPlateau', monitor='val/l1', **options)
    if interval is not None:
        spec['interval'] = interval
    size = interval or 1
    made, optimizer = schedule(spec)
    for i, value in enumerate(FOUND, 1):
        made.step({'total': torch.tensor(0.0)})  # iterations between do nothing
        made.step({'total': torch.tensor(0.0)})
        made.tell({'val/l1': torch.tensor(value, dtype=torch.float64)})
        if i % size == 0:
            plateau.step(sum(FOUND[i - size : i]) / size)
        assert optimizer.param_groups[0]['lr'] == theirs.param_groups[0]['lr']
        if i == stop:
            state = saved(made, tmp_path)
            made, optimizer = schedule(spec)
            made.load_state_dict(state)
    assert theirs.param_groups[0]['lr'] < LR


def test_plateau_of_validations_needs_them(tmp_path: Path) -> None:
    spec = dict(type='ReduceLROnPlateau', monitor='val/l1')
    made, _ = schedule(spec)
    with pytest.raises(ValueError, match=r"no metric is called 'val/l1'; .*'val/l2'"):
        made.tell({'val/l2': torch.tensor(1.0)})
    trainer = toy_trainer(tmp_path, schedulers=dict(generator=spec))
    with pytest.raises(ValueError, match='generator follows val/l1, but nobody'):
        trainer.run()


def plateau_of_rank() -> list[float]:
    """Return this rank's rates where only the last rank's loss gets better."""
    falling = distributed.rank() == distributed.world_size() - 1

    def logs(i: int) -> dict[str, Tensor]:
        return {'loss': torch.tensor(10.0 - (2 * i if falling else -i))}

    return rates(schedule(PLATEAU), 12, logs)


def test_ranks_agree_on_a_plateau_by_their_mean() -> None:
    one, other = run_ranks(plateau_of_rank, 2)
    assert one == other == [LR] * 12


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(KeyError, match="no scheduler called 'WarmUp'"):
        schedule(dict(type='WarmUp'))
