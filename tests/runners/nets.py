"""Small nets and one loss: what the tests of updates and strategies share."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate
from vq.types import Loss

DROP = object()  # as a value: ADAM without this key
ADAM = dict(type='Adam', lr=0.05, betas=(0.5, 0.9))


def net(seed: int = 0) -> nn.Sequential:
    """Return a net with the keys 0.weight, 0.bias, 2.weight, 2.bias."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def data(number: int, seed: int = 0) -> Tensor:
    """Return inputs (number, 3)."""
    return torch.randn(number, 3, generator=torch.Generator().manual_seed(seed))


def mse(model: nn.Module, x: Tensor, extra: float = 0.0) -> Loss:
    """Return a mean loss; `extra` is added and has no gradient."""
    total = (model(x) - x.sum(1, keepdim=True)).square().mean() + extra
    return Loss(total, {'total': total.detach()})


def update(
    model: nn.Module, accumulate: int = 1, schedule: Any = None, **spec: Any
) -> OptimizerUpdate:
    """Return an update of all or, with `params`, of some parameters."""
    return OptimizerUpdate(
        name='generator',
        spec={k: v for k, v in (ADAM | spec).items() if v is not DROP},
        schedule=schedule,
        model=model,
        strategy=DDPStrategy(),
        accumulate=accumulate,
    )


def by_hand(
    model: nn.Module,
    batches: Iterable[Tensor],
    make: Callable[..., torch.optim.Optimizer] | None = None,
    clip: float = torch.inf,
) -> list[float]:
    """Train with plain torch; return the gradients' norms before clipping."""
    make = make or (lambda p: torch.optim.Adam(p, 0.05, (0.5, 0.9), fused=True))
    optimizer, norms = make(model.parameters()), []
    for x in batches:
        optimizer.zero_grad()
        mse(model, x).total.backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), clip)))
        optimizer.step()
    return norms


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights."""
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the largest difference of two state dicts of the same keys."""
    assert list(one) == list(other)
    return max(float((one[k].double() - other[k].double()).abs().max()) for k in one)
