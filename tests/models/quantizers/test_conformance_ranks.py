"""Every family keeps one contract: two ranks learn what one would from all latents."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.quantizers.conformance import build, draw, seeded, state, total
from tests.models.quantizers.families import FAMILIES
from tests.ranks import run_ranks
from vq import distributed
from vq.models.quantizers import Quantizer

RANKS, STEPS, NUMBER = 2, 20, 4  # images, of all ranks
Results = dict[str, dict[str, Any]]


def train_all() -> Results:
    """Train every family on this rank's share of the latents."""
    return {name: dict(first=gradients(name), state=train(name)) for name in FAMILIES}


def gradients(name: str) -> dict[str, Tensor]:
    """Return the gradients of a first pass, averaged as DDP does, and its losses."""
    module = build(name, setup=False).train()
    latent = share(draw(module, number=NUMBER)).requires_grad_()
    result = seeded(module, latent)
    total(result).backward()
    average(module)
    assert latent.grad is not None
    # A mean over this rank's latents is one over all but for the number.
    found = {'latent': distributed.cat(latent.grad) / distributed.world_size()}
    found |= {key: distributed.mean(v.detach()) for key, v in result.losses.items()}
    pairs = module.named_parameters()
    return found | {f'{k}.grad': p.grad for k, p in pairs if p.grad is not None}


def train(name: str) -> dict[str, Tensor]:
    """Return the state after some steps."""
    module = build(name, setup=False).train()
    learnt = list(module.parameters())
    optimizer = torch.optim.SGD(learnt, lr=0.1, momentum=0.5) if learnt else None
    for step in range(STEPS):
        module.zero_grad()
        latent = share(draw(module, seed=step, number=NUMBER)).requires_grad_()
        total(seeded(module, latent)).backward()
        average(module)
        if optimizer is not None:
            optimizer.step()
    return state(module)


def share(latent: Tensor) -> Tensor:
    """Return this rank's images."""
    return latent.chunk(distributed.world_size())[distributed.rank()]


def average(module: Quantizer) -> None:
    """Average gradients over ranks."""
    for parameter in module.parameters():
        if parameter.grad is not None:
            parameter.grad = distributed.mean(parameter.grad)


@pytest.fixture(scope='module')
def ranks() -> Iterator[list[Results]]:
    """Train all families on two ranks, in one start of processes."""
    yield run_ranks(train_all, RANKS)


@pytest.mark.parametrize('name', FAMILIES)
def test_all_ranks_have_the_same_codebook(name: str, ranks: list[Results]) -> None:
    one, other = (results[name]['state'] for results in ranks)
    assert [key for key in one if not one[key].equal(other[key])] == []


@pytest.mark.parametrize('name', [n for n, f in FAMILIES.items() if f.like_one])
def test_two_ranks_learn_like_one(name: str, ranks: list[Results]) -> None:
    close(ranks[0][name]['first'], gradients(name))
    close(ranks[0][name]['state'], train(name))


def close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Compare all tensors."""
    assert list(found) == list(expected)
    for key, value in expected.items():
        torch.testing.assert_close(
            found[key],
            value,
            rtol=1e-4,
            atol=1e-5,
            msg=lambda text, k=key: f'{k}: {text}',
        )
