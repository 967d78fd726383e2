"""AnnealCallback: values by their formulas, set and logged, the same after a resume."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models import tiny
from tests.runs import toy_trainer
from vq import checkpoints
from vq.callbacks import AnnealCallback, Callback
from vq.models import GumbelQuantizer
from vq.registry import MODELS
from vq.runners import Trainer

MOMENTUM = dict(
    type='AnnealCallback', attribute='norm.momentum', start=0.9, end=0.1, iters=4
)


class Notes(Callback):
    """Notes the number that each iteration was run with, and what is logged."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.logged: list[float] = []

    def after_train_iter(self, runner: Any, batch: Any, logs: Any) -> None:
        self.seen.append(runner.model.norm.momentum)
        self.logged.append(float(logs['anneal/momentum']))


def trainer(folder: Path, iters: int = 6, **changes: Any) -> Trainer:
    """Return a trainer whose normalisation forgets ever less."""
    save = dict(type='CheckpointCallback', interval=1)
    one = toy_trainer(folder, iters=iters, callbacks=[MOMENTUM | changes, save])
    one.callbacks.append(Notes())
    return one


def notes(one: Trainer) -> Notes:
    found = one.callbacks[-1]
    assert isinstance(found, Notes)
    return found


def linear(way: float) -> float:
    return 2 + way * (0.5 - 2)


def cosine(way: float) -> float:
    return 0.5 + (2 - 0.5) * (1 + math.cos(math.pi * way)) / 2


def exponential(way: float) -> float:
    return 2 * math.exp(way * math.log(0.5 / 2))


@pytest.mark.parametrize('formula', [linear, cosine, exponential])
def test_values_are_those_of_the_formula(formula: Any) -> None:
    callback = AnnealCallback(
        start=2, end=0.5, begin=10, iters=20, shape=formula.__name__
    )
    for iteration in range(10, 31):
        expected = formula((iteration - 10) / 20)
        assert callback.value(iteration) == pytest.approx(expected, rel=1e-12)
    assert {callback.value(i) for i in (0, 5, 10)} == {2}
    assert {callback.value(i) for i in (30, 31, 10**6)} == {0.5}


def test_the_default_is_dall_e() -> None:
    callback = AnnealCallback(iters=15e4)
    assert callback.attribute == 'tokenizer.quantizer.temperature'
    assert callback.value(0) == 1 and callback.value(150_000) == 1 / 16
    assert callback.value(75_000) == pytest.approx((1 + 1 / 16) / 2)


def test_each_iteration_has_its_value_and_logs_it(tmp_path: Path) -> None:
    one = trainer(tmp_path, shape='linear')
    one.run()
    expected = [0.9, 0.7, 0.5, 0.3, 0.1, 0.1]
    assert notes(one).seen == pytest.approx(expected, rel=1e-12)
    assert notes(one).logged == pytest.approx(expected)


def test_a_resumed_run_goes_on_exactly(tmp_path: Path) -> None:
    trainer(tmp_path / 'one').run()
    other = trainer(tmp_path / 'two')
    other.resume(tmp_path / 'one' / 'checkpoints' / 'iter_2')
    other.run()
    one, two = (
        checkpoints.read_weights([tmp_path / name / 'checkpoints' / 'iter_6'])
        for name in ('one', 'two')
    )
    assert 'norm.running_mean' in one  # which depends on every momentum
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_buffer_is_set_in_place(tmp_path: Path) -> None:
    one = trainer(tmp_path, attribute='norm.temperature')
    one.callbacks = one.callbacks[:1]
    buffer = torch.tensor(5.0, dtype=torch.float64)
    one.model.get_submodule('norm').register_buffer('temperature', buffer)
    callback = one.callbacks[0]
    assert isinstance(callback, AnnealCallback)
    callback.before_run(one)
    one.iteration = 2
    callback.before_train_iter(one, tiny.batch())
    assert float(buffer) == callback.value(2) == pytest.approx(0.5)


def test_the_temperature_of_a_gumbel_quantizer_is_set(tmp_path: Path) -> None:
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='ProductQuantizer',
        quantizer=dict(type='GumbelQuantizer', codebook_size=8, dim=2),
    )
    one = trainer(tmp_path)
    one.model = MODELS.build(config)
    path = 'tokenizer.quantizer.quantizers.1.temperature'
    callback = AnnealCallback(attribute=path, iters=2)
    callback.before_run(one)
    one.iteration = 1
    callback.before_train_iter(one, tiny.batch())
    quantizers = [m for m in one.model.modules() if isinstance(m, GumbelQuantizer)]
    assert [m.temperature for m in quantizers] == [1.0, (1 + 1 / 16) / 2]


@pytest.mark.parametrize(
    ('attribute', 'message'),
    [
        ('norm.momentun', "no number 'norm.momentun'; did you mean norm.momentum"),
        ('quantizer.momentum', 'did you mean norm.momentum'),
        ('norm.affine', 'no number'),  # a flag
        ('scale', 'no number'),  # it belongs to the optimizer
        ('norm.running_mean', 'no number'),
        ('norm', 'no number'),
    ],
)
def test_another_name_is_refused_and_near_ones_are_named(
    tmp_path: Path, attribute: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trainer(tmp_path, attribute=attribute).run()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(iters=0), 'iters must be >= 1 and begin >= 0, got 0 and 0'),
        (dict(begin=-1), 'got 5 and -1'),
        (dict(shape='steps'), "'exponential', got 'steps'"),
        (dict(shape='exponential', end=0), 'start=1.0 to end=0'),
        (dict(shape='exponential', end=-1), 'both below 0'),
    ],
)
def test_errors_say_what_is_wrong(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnealCallback(**dict(iters=5) | options)
