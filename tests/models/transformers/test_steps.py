"""Compiled steps draw what plain ones do, by one graph for all places."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.transformers.nets import drawn, network, numbers
from vq.models.transformers import CompiledSteps, Sampling, sample

SAMPLING = Sampling(cfg=2.0, cfg_tokens=5, top_k=6, cfg_schedule='linear')


def graphs() -> int:
    """Return how many graphs were captured since they were forgotten."""
    counters = torch._dynamo.utils.counters
    return counters['stats']['unique_graphs']


@pytest.fixture
def fresh() -> Any:
    """Forget what was compiled."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def test_compiled_steps_draw_the_same(fresh: Any) -> None:
    """Captured as ever, but not translated to C++, which takes half a minute."""
    net = network(depth=1)
    steps = CompiledSteps(net, backend='eager')
    sampling = replace(SAMPLING, cfg_tokens=None)
    expected = drawn(net, sampling=sampling)
    assert torch.equal(drawn(net, sampling=sampling, steps=steps), expected)
    assert graphs() == 1
    (first,) = steps._caches.values()
    # A cache is used again, and what it holds of the batch before is not seen.
    other = net.condition(torch.tensor([2, 2, 0, 1, 1]))
    options = dict(sampling=sampling, uniform=torch.rand(5, 12, 1).double())
    plain, compiled = (
        sample(net, other, steps=way, **options) for way in (None, steps)
    )
    assert torch.equal(compiled, plain) and not torch.equal(plain, expected)
    assert graphs() == 1 and list(steps._caches.values()) == [first]


def test_a_sweep_is_not_stopped_by_torchs_limit(fresh: Any) -> None:
    net = network(depth=1)
    with torch._dynamo.config.patch(recompile_limit=1):
        for temperature in (0.5, 2.0):  # a graph each
            sampling = Sampling(temperature=temperature)
            steps = CompiledSteps(net, backend='eager')
            compiled = drawn(net, sampling=sampling, steps=steps)
            assert torch.equal(compiled, drawn(net, sampling=sampling))
    assert graphs() == 2


@pytest.mark.gpu
@pytest.mark.slow
def test_recorded_graphs_draw_the_same(fresh: Any) -> None:
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    net = network('grid', sizes=(4, 3)).cuda()
    options = dict(sampling=SAMPLING, uniform=numbers(0, 5, 2).cuda())
    steps = CompiledSteps(net)
    found = [drawn(net, steps=way, **options) for way in (None, steps, steps)]
    torch.set_float32_matmul_precision(precision)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
