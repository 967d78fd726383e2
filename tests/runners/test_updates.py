"""Updates equal plain torch; what is not finite is skipped as if it had not been."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.runners.nets import (
    DROP,
    by_hand,
    data,
    distance,
    mse,
    net,
    update,
    weights,
)
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate, build
from vq.types import Loss

BATCHES = [data(6, seed) for seed in range(5)]


@pytest.mark.parametrize('clip', [None, 0.3, 100.0])
def test_updates_and_norms_equal_plain_torch(clip: float | None) -> None:
    model, other = net(), net()
    one = update(model, clip_grad=clip)
    norms = []
    for x in BATCHES:
        result = one(mse, model, x)
        norms.append(float(one.gradient_norm))
    assert norms == by_hand(other, BATCHES, clip=clip or torch.inf)
    assert distance(weights(model), weights(other)) == 0
    assert torch.equal(result.logs['total'], result.total.detach())


@pytest.mark.parametrize('accumulate', [2, 3])
def test_micro_batches_equal_the_whole_batch(accumulate: int) -> None:
    model, other = net(), net()
    one = update(model, accumulate, clip_grad=0.3)
    norms = []
    for x in BATCHES:
        for part in x.chunk(accumulate):
            one(mse, model, part)
        norms.append(float(one.gradient_norm))
    assert norms == pytest.approx(by_hand(other, BATCHES, clip=0.3), rel=1e-5)
    assert distance(weights(model), weights(other)) < 1e-6


def test_weights_move_at_the_last_micro_batch_only() -> None:
    model = net()
    one, before = update(model, 2), weights(model)
    one(mse, model, BATCHES[0])
    assert distance(weights(model), before) == 0
    one(mse, model, BATCHES[0])
    assert distance(weights(model), before) > 0.01


def nan_loss(model: nn.Module, x: Tensor) -> Loss:
    return mse(model, x, torch.nan)


def infinite_loss(model: nn.Module, x: Tensor) -> Loss:
    """Has finite gradients."""
    return mse(model, x, torch.inf)


def infinite_gradient(model: nn.Module, x: Tensor) -> Loss:
    """Is finite itself."""
    loss = mse(model, x)
    weight = model[0].weight  # type: ignore[index]
    zero = (weight - weight.detach()).abs().sum()
    return Loss(loss.total + zero.sqrt(), loss.logs)


KINDS = [nan_loss, infinite_loss, infinite_gradient]
OPTIMIZERS: dict[str, dict[str, Any]] = {
    'Adam': dict(),
    'fused Adam': dict(fused=True),
    'AdamW': dict(type='AdamW', weight_decay=0.1),
    'SGD': dict(type='SGD', betas=DROP, momentum=0.9),
    'LARS': dict(type='LARS', betas=DROP, weight_decay=0.1),
}


@pytest.mark.parametrize('spec', OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize('bad', KINDS)
def test_what_is_not_finite_leaves_no_trace(bad: Any, spec: dict[str, Any]) -> None:
    model, other = net(), net()
    one, reference = (update(m, clip_grad=0.5, **spec) for m in (model, other))
    counts = []
    for i, x in enumerate(BATCHES):
        reference(mse, other, x)
        one(mse, model, x)
        for _ in range(i % 3):
            before = weights(model)
            one(bad, model, x)
            assert distance(weights(model), before) == 0
        counts.append((int(one.skipped), int(one.skipped_in_a_row)))
    assert distance(weights(model), weights(other)) == 0
    assert counts == [(0, 0), (1, 1), (3, 2), (3, 0), (4, 1)]
    assert int(reference.skipped) == 0


@pytest.mark.parametrize('bad', KINDS)
def test_scaled_gradients_give_the_same_and_skip_the_same(
    monkeypatch: pytest.MonkeyPatch, bad: Any
) -> None:
    """As in fp16 on a GPU; the scale is a power of two, hence exact."""
    scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    monkeypatch.setattr(DDPStrategy, 'scaler', lambda _: scaler)
    model, other = net(), net()
    one = update(model, clip_grad=0.5)
    for x in BATCHES:
        one(bad, model, x)
        one(mse, model, x)
    by_hand(other, BATCHES, clip=0.5)
    assert distance(weights(model), weights(other)) == 0
    assert int(one.skipped) == 5
    assert scaler.get_scale() == (32 if bad is infinite_gradient else 1024)


@pytest.mark.parametrize('bad_part', [0, 1])
def test_one_bad_micro_batch_spoils_its_iteration_and_no_other(bad_part: int) -> None:
    model, other = net(), net()
    one, reference = update(model, 2), update(other, 2)
    for i, x in enumerate(BATCHES):
        for part in range(2):
            one(nan_loss if (i, part) == (1, bad_part) else mse, model, x)
            if i != 1:
                reference(mse, other, x)
    assert distance(weights(model), weights(other)) == 0
    assert int(one.skipped) == 1


def through_a_file(one: OptimizerUpdate, folder: Path) -> Any:
    """Return an update's state as it comes back from a checkpoint."""
    torch.save(one.state_dict(), folder / 'x.pth')
    return torch.load(folder / 'x.pth', weights_only=True)


STEPS = dict(type='StepLR', step_size=2, gamma=0.5)


@pytest.mark.parametrize('spec', OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize('stop', [0, 1, 3])
def test_a_resume_is_exact(tmp_path: Path, stop: int, spec: dict[str, Any]) -> None:
    model = net()
    one = update(model, schedule=STEPS, **spec)
    for i, x in enumerate(BATCHES):
        if i == stop:
            middle, state = weights(model), through_a_file(one, tmp_path)
        one(nan_loss if i == 2 else mse, model, x)
        one.finish_iteration({})
    other = net(1)
    other.load_state_dict(middle)
    two = update(other, schedule=STEPS, **spec)
    two.load_state_dict(state)
    for i, x in enumerate(BATCHES[stop:], stop):
        two(nan_loss if i == 2 else mse, other, x)
        two.finish_iteration({})
    assert distance(weights(model), weights(other)) == 0
    assert (two.lr, int(two.skipped)) == (one.lr, int(one.skipped))


def test_a_resume_takes_options_from_the_config() -> None:
    model = net()
    one = update(model)
    one(mse, model, BATCHES[0])
    two = update(model, lr=0.001, betas=(0.1, 0.2))
    two.load_state_dict(one.state_dict())
    assert two.lr == 0.001
    assert two.optimizer.param_groups[0]['betas'] == (0.1, 0.2)
    moments = two.optimizer.state[model[0].weight]['exp_avg']
    assert torch.equal(moments, one.optimizer.state[model[0].weight]['exp_avg'])


def test_loading_does_not_tie_the_optimizer_to_what_was_loaded() -> None:
    model = nn.Linear(3, 1)
    one = update(model)
    one(mse, model, BATCHES[0])
    state = one.state_dict()
    before = {k: v.clone() for k, v in state['optimizer']['weight'].items()}
    two = update(net_like := nn.Linear(3, 1))
    two.load_state_dict(state)
    two(mse, net_like, BATCHES[1])
    assert distance(state['optimizer']['weight'], before) == 0


def test_a_resume_refuses_other_parameters() -> None:
    one = update(net())
    with pytest.raises(
        ValueError, match=r"generator moves other.*\('2.bias', \(1,\)\)"
    ):
        update(net(), params=['0']).load_state_dict(one.state_dict())
    wide = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    with pytest.raises(ValueError, match=r"\('0.bias', \(4,\)\), \('0.bias', \(5,\)\)"):
        update(wide).load_state_dict(one.state_dict())


def test_the_order_of_entries_does_not_matter_to_a_resume() -> None:
    model = net()
    one = update(model, params=['0', '2'])
    one(mse, model, BATCHES[0])
    two = update(model, params=['2', '0'])
    two.load_state_dict(one.state_dict())
    for parameter, state in one.optimizer.state.items():
        assert distance(dict(state), dict(two.optimizer.state[parameter])) == 0


def test_params_may_be_some_and_the_others_rest() -> None:
    model = net()
    before = weights(model)
    update(model, params=[dict(regex='^2', lr=0.5)])(mse, model, BATCHES[0])
    moved = [k for k, v in weights(model).items() if not torch.equal(v, before[k])]
    assert moved == ['2.weight', '2.bias']


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(KeyError, match="'Adamm'; did you mean Adam"):
        build('Adamm', [], {}, torch.device('cpu'))
