"""LARS equals its formula in numpy; torch's optimizers stand in the same registry."""

import numpy as np
import pytest
import torch
from torch import nn, optim

from tests.runners.nets import DROP, data, mse, net, update
from vq.optimizers import LARS
from vq.registry import OPTIMIZERS, SCHEDULERS

Arrays = dict[str, np.ndarray]
GROUP = dict(lr=0.3, momentum=0.8, weight_decay=0.05, trust_coefficient=0.02)


def by_formula(weights: Arrays, gradients: list[Arrays]) -> Arrays:
    """Return the weights after a step for each of the gradients."""
    speed = {name: np.zeros_like(value) for name, value in weights.items()}
    for of_step in gradients:
        for name, gradient in of_step.items():
            weight = weights[name]
            if weight.ndim > 1:
                gradient = gradient + 0.05 * weight
                long, short = np.linalg.norm(weight), np.linalg.norm(gradient)
                gradient = gradient * (0.02 * long / short if long * short > 0 else 1)
            speed[name] = 0.8 * speed[name] + gradient
            weights[name] = weight - 0.3 * speed[name]
    return weights


def copy(model: nn.Module) -> Arrays:
    """Return a model's weights as arrays."""
    return {k: v.detach().numpy().copy() for k, v in model.named_parameters()}


def gradients(model: nn.Module) -> Arrays:
    """Return a model's gradients as arrays."""
    return {
        k: v.grad.numpy().copy()
        for k, v in model.named_parameters()
        if v.grad is not None
    }


@pytest.mark.parametrize('zero', [False, True])
def test_steps_equal_the_formula(zero: bool) -> None:
    """Through an update, and from weights that are zero, which have no direction."""
    model = net().double()
    if zero:
        nn.init.zeros_(model[2].weight)
    start = copy(model)
    one, seen = update(model, type='LARS', **dict(GROUP, betas=DROP)), []
    for seed in range(5):
        one(mse, model, data(6, seed).double())
        seen.append(gradients(model))
    for name, value in by_formula(start, seen).items():
        np.testing.assert_allclose(model.get_parameter(name).detach(), value, 1e-12)
    assert zero == (not seen[0]['0.weight'].any())


def test_groups_have_options_of_their_own() -> None:
    model = net()
    before = copy(model)
    slow = dict(params=model[0].parameters(), lr=0.0)
    optimizer = LARS([slow, dict(params=model[2].parameters())], lr=1.0)
    mse(model, data(4)).total.backward()
    assert optimizer.step(lambda: 3.0) == 3.0
    moved = [k for k, v in copy(model).items() if (v != before[k]).any()]
    assert moved == ['2.weight', '2.bias']


def test_what_has_no_gradient_stays() -> None:
    model = net()
    before = copy(model)
    LARS(model.parameters(), lr=1.0, weight_decay=0.5).step()
    assert all((v == before[k]).all() for k, v in copy(model).items())


@pytest.mark.parametrize('name', GROUP)
def test_negative_numbers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f'LARS: {name} must be >= 0, got -1'):
        LARS([torch.zeros(1)], **(GROUP | {name: -1}))


def test_torchs_classes_are_found_in_the_same_way() -> None:
    found = {name: OPTIMIZERS.find(name) for name in ('AdamW', 'SGD', 'LARS')}
    assert found == dict(AdamW=optim.AdamW, SGD=optim.SGD, LARS=LARS)
    assert SCHEDULERS.find('LinearLR') is optim.lr_scheduler.LinearLR
    assert OPTIMIZERS.find('Optimizer') is SCHEDULERS.find('LRScheduler') is None
    assert not set(OPTIMIZERS.names()) & set(SCHEDULERS.names())
