"""ActNorm: the first batch sets it, whichever rank its images are on."""

import copy

import numpy as np
import pytest
import torch

from tests.ranks import run_ranks
from vq import distributed
from vq.models.discriminators.act import ActNorm


def batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 4, 3, 3, generator=generator, dtype=torch.float64) * 3 + 1


def state(norm):
    return [value.clone() for value in norm.state_dict().values()]


def test_the_first_batch_sets_it():
    norm, hidden = ActNorm(4).double(), batch()
    out = norm(hidden)
    channels = hidden.numpy().swapaxes(0, 1).reshape(4, -1)
    scale = 1 / (channels.std(1, ddof=1) + 1e-6)
    np.testing.assert_allclose(norm.scale.detach().numpy().ravel(), scale)
    np.testing.assert_allclose(norm.loc.detach().numpy().ravel(), -channels.mean(1))
    rows = out.detach().numpy().swapaxes(0, 1).reshape(4, -1)
    np.testing.assert_allclose(rows.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(rows.std(1, ddof=1), 1, rtol=1e-6)
    before = state(norm)
    norm(batch(2))
    assert all(map(torch.equal, before, state(norm)))


def test_what_sets_it_is_a_constant_of_the_gradient():
    norm, hidden = ActNorm(4).double(), batch().requires_grad_()
    norm(hidden).sum().backward()
    torch.testing.assert_close(hidden.grad, norm.scale.detach().expand_as(hidden))
    total = (hidden + norm.loc).sum((0, 2, 3), keepdim=True).detach()
    torch.testing.assert_close(norm.scale.grad, total)


def on_rank():
    part = slice(0, 2) if distributed.rank() == 0 else slice(2, 5)
    norm = ActNorm(4).double()
    out = norm(batch()[part]).detach()
    return out, *(value.detach() for value in norm.state_dict().values())


def test_two_ranks_equal_the_joint_batch():
    norm = ActNorm(4).double()
    out = norm(batch())
    (one, *first), (two, *second) = run_ranks(on_rank, 2)
    torch.testing.assert_close(torch.cat([one, two]), out)
    assert all(map(torch.equal, first, second))
    for actual, expected in zip(first, norm.state_dict().values(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_eval_mode_sets_nothing():
    norm, hidden = ActNorm(4).double().eval(), batch()
    assert torch.equal(norm(hidden), hidden)
    assert not norm.initialized
    norm.train()(hidden)
    assert norm.initialized


@pytest.mark.parametrize(
    'bad', [torch.full((2, 4, 3, 3), torch.nan), batch()[:1, :, :1, :1]]
)
def test_a_batch_without_a_finite_deviation_is_passed_by(bad):
    norm, expected = ActNorm(4).double(), ActNorm(4).double()
    norm(bad.double())
    assert not norm.initialized and torch.equal(norm.scale, torch.ones(1, 4, 1, 1))
    assert torch.equal(norm(batch()), expected(batch()))


def test_a_loaded_state_is_kept_or_set_as_it_says():
    trained = ActNorm(4).double()
    trained(batch())
    fresh = copy.deepcopy(ActNorm(4).double().state_dict())
    loaded = ActNorm(4).double()
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded(batch(2)), trained(batch(2)))
    loaded.load_state_dict(fresh)
    assert torch.equal(loaded(batch()), trained(batch()))
    loaded.reset_parameters()
    assert not loaded.initialized and torch.equal(loaded.loc, torch.zeros(1, 4, 1, 1))


def test_half_precision_is_measured_in_float32():
    norm, hidden = ActNorm(4), batch().bfloat16() + 100
    assert norm(hidden).dtype == torch.bfloat16
    expected = hidden.float().mean((0, 2, 3), keepdim=True)
    torch.testing.assert_close(-norm.loc.detach(), expected)
