"""Every family keeps one contract: what a pass moves, and what it must not."""

import copy
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.quantizers.conformance import (
    build,
    different,
    draw,
    every_family,
    seeded,
    state,
    sub_tokens,
    total,
)
from tests.models.quantizers.families import FAMILIES
from vq.models.quantizers import Quantizer
from vq.types import Quantized


@every_family
def test_each_loss_moves_what_the_paper_says(name: str) -> None:
    module = build(name).train()
    latent = draw(module).requires_grad_()
    result = seeded(module, latent)
    generator = torch.Generator().manual_seed(3)
    ramp = torch.randn(result.latent.shape, generator=generator)
    terms = dict(result.losses, latent=(result.latent * ramp).sum())
    inputs = dict(latent=latent, **dict(module.named_parameters()))
    learnt = {key: value for key, value in inputs.items() if value.requires_grad}
    moved = {}
    for term, value in terms.items():
        if not value.requires_grad:
            moved[term] = set()
            continue
        gradients = torch.autograd.grad(
            value, list(learnt.values()), retain_graph=True, allow_unused=True
        )
        pairs = zip(learnt, gradients, strict=True)
        moved[term] = {key for key, g in pairs if g is not None and g.any()}
    assert moved == FAMILIES[name].moves


def evaluated(module: Quantizer, latent: Tensor) -> None:
    module.eval()(latent)


def frozen(module: Quantizer, latent: Tensor) -> None:
    total(module.train().requires_grad_(False)(latent.requires_grad_())).backward()


def without_gradient(module: Quantizer, latent: Tensor) -> None:
    with torch.no_grad():
        module.train()(latent)


def halves(module: Quantizer, latent: Tensor) -> None:
    module.train()
    module.tokens_to_latent(module.latent_to_tokens(latent))
    module.project(latent)


@every_family
@pytest.mark.parametrize('use', [evaluated, frozen, without_gradient, halves])
def test_nothing_is_learnt_where_nothing_should_be(
    name: str, use: Callable[[Quantizer, Tensor], None]
) -> None:
    for module in (build(name), fresh(name)):
        before = state(module)
        for seed in range(3):
            use(module, draw(module, seed=seed))
        assert different(module, before) == []


def fresh(name: str) -> Quantizer:
    """Return a quantizer that no batch has begun."""
    return build(name, setup=False)


@every_family
def test_equal_seeds_give_equal_results(name: str) -> None:
    one, other = build(name).train(), build(name).train()
    for seed in range(3):
        results = []
        for module in (one, other):
            latent = draw(module, seed=seed).requires_grad_()
            result = seeded(module, latent)
            total(result).backward()
            results.append((result.tokens, result.latent, total(result), latent.grad))
        assert all(map(torch.equal, *results))
    assert different(one, state(other)) == []


def passes(
    module: Callable[[Tensor], Quantized], latents: list[Tensor]
) -> list[tuple[Quantized, Tensor]]:
    """Return the results of some passes, and the latents' gradients."""
    results = []
    for latent in latents:
        latent = latent.clone().requires_grad_()
        torch.manual_seed(5)
        result = module(latent)
        total(result).backward()
        results.append((result, latent.grad))
    return results


def compare(
    module: Quantizer, other: Quantizer, change: Callable[[], Callable[..., Quantized]]
) -> None:
    """Compare two passes of equal quantizers, the other's under a change."""
    latents = [draw(module, seed=seed) for seed in range(2)]
    expected = passes(module, latents)
    found = passes(change(), latents)
    for (one, one_gradient), (two, two_gradient) in zip(expected, found, strict=True):
        assert torch.equal(one.tokens, two.tokens)
        torch.testing.assert_close(one.latent, two.latent)
        torch.testing.assert_close(one_gradient, two_gradient)
        assert list(one.losses) == list(two.losses)
        for loss in one.losses:
            torch.testing.assert_close(one.losses[loss], two.losses[loss])
    for key, value in module.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value)
    theirs = dict(other.named_parameters())
    for key, parameter in module.named_parameters():
        torch.testing.assert_close(theirs[key].grad, parameter.grad)


@every_family
def test_chunks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = build(name).train()
    other = copy.deepcopy(module)

    def in_chunks() -> Quantizer:
        small_budget(other, monkeypatch)
        return other

    compare(module, other, in_chunks)


def small_budget(quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each chunk of every search and loss be of a row or a few."""
    modules = [
        module
        for key, module in list(sys.modules.items())
        if key.startswith('vq.models.quantizers')
    ]
    for module in modules:
        if hasattr(module, 'BUDGET_BYTES'):
            monkeypatch.setattr(module, 'BUDGET_BYTES', 256)
        for function in vars(module).values():
            defaults = getattr(function, '__kwdefaults__', None) or {}
            if 'budget_bytes' in defaults:
                monkeypatch.setitem(defaults, 'budget_bytes', 256)
    for part in quantizer.modules():
        if hasattr(part, 'budget_bytes'):
            part.budget_bytes = 256


# Compiling takes a second: one variant of each class, the first.
COMPILED = {str(f.config['type']): name for name, f in reversed(FAMILIES.items())}


@pytest.mark.parametrize('name', COMPILED.values())
@pytest.mark.parametrize('training', [True, False])
def test_compiled_it_gives_the_same(name: str, training: bool) -> None:
    torch.compiler.reset()
    module = build(name).train(training)
    other = copy.deepcopy(module)
    compare(module, other, lambda: torch.compile(other, backend='aot_eager'))


@every_family
@pytest.mark.parametrize('bad', [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize('share', ['one', 'all'])
def test_a_latent_that_is_not_finite_teaches_nothing_wrong(
    name: str, bad: float, share: str
) -> None:
    for module in (build(name).train(), fresh(name).train()):
        latent = draw(module)
        latent[:1, :, :2, :2] = bad
        if share == 'all':
            latent[:] = bad
        result = seeded(module, latent)
        for part, size in sub_tokens(module, result.tokens):
            assert ((part >= 0) & (part < size)).all()
        broken = [k for k, v in module.state_dict().items() if not v.isfinite().all()]
        assert broken == []
        good = seeded(module, draw(module, seed=2))
        assert good.latent.isfinite().all() and total(good).isfinite()
