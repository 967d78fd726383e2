"""The entropy loss: against its formula, in chunks, over ranks, with one code only."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.ranks import run_ranks
from vq import distributed
from vq.models.quantizers.entropy import EPS, entropy_loss


def formula(rows, codes, temperature, scores='l2'):
    """Compute it in float64 numpy, pair by pair."""
    rows, codes = rows.double().numpy(), codes.double().numpy()
    pairs = rows[:, None], codes[None]
    distances = (pairs[0] - pairs[1]) ** 2 if scores == 'l2' else -pairs[0] * pairs[1]
    distances = distances.sum(-1)
    weights = np.exp((distances.min(1, keepdims=True) - distances) / temperature)
    shares = weights / weights.sum(1, keepdims=True)
    each = -(shares * np.log(np.maximum(shares, 1e-300))).sum(1).mean()
    mean = shares.mean(0)
    return each + (mean * np.log(mean + EPS)).sum()


@pytest.mark.parametrize('temperature', [0.01, 1.0])
@pytest.mark.parametrize('offset', [0.0, 100.0])
@pytest.mark.parametrize('scores', ['l2', 'inner'])
def test_equals_its_formula(temperature, offset, scores):
    codes = torch.randn(9, 4) / 4 + offset
    rows = torch.randn(60, 4) / 4 + (offset if scores == 'l2' else 0)
    loss = entropy_loss(rows, codes, temperature=temperature, scores=scores)
    expected = formula(rows, codes, temperature, scores)
    assert float(loss) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize('rows_at_once', [1, 7, 59])
@pytest.mark.parametrize('scores', ['l2', 'inner'])
def test_chunks_change_nothing(rows_at_once, scores):
    rows = functional.normalize(torch.randn(60, 4), dim=-1).requires_grad_()
    codes = functional.normalize(torch.randn(9, 4), dim=-1).requires_grad_()
    options = dict(temperature=0.1, scores=scores)
    whole = entropy_loss(rows, codes, **options)
    budget = rows_at_once * 9 * 4
    chunked = entropy_loss(rows, codes, **options, budget_bytes=budget)
    torch.testing.assert_close(chunked, whole)
    gradients = [torch.autograd.grad(x, (rows, codes)) for x in (chunked, whole)]
    torch.testing.assert_close(*gradients)


def test_sure_and_even_is_best_and_a_single_code_worst():
    codes = torch.eye(8)
    even = entropy_loss(codes, codes, temperature=0.01)
    single = entropy_loss(codes[:1].expand(8, -1), codes, temperature=0.01)
    assert float(even) == pytest.approx(-math.log(8), abs=1e-3)
    assert float(single) == pytest.approx(0.0, abs=1e-3)


def test_gradients_are_finite_where_codes_are_never_chosen():
    rows = torch.zeros(4, 2, requires_grad=True)
    codes = torch.tensor([[0.0, 0.1], [100.0, 0.0]], requires_grad=True)
    entropy_loss(rows, codes, temperature=0.01).backward()
    assert rows.grad.isfinite().all() and codes.grad.isfinite().all()


def on_a_rank(scores):
    """Return the loss and the codes' gradient of all ranks, and this rank's rows'."""
    torch.manual_seed(0)
    rows, codes = torch.randn(12, 3), torch.randn(5, 3, requires_grad=True)
    rows = rows.chunk(distributed.world_size())[distributed.rank()].requires_grad_()
    loss = entropy_loss(rows, codes, temperature=0.5, scores=scores)
    loss.backward()
    averaged = distributed.mean(loss.detach()), distributed.mean(codes.grad)
    return *averaged, rows.grad / distributed.world_size()


@pytest.mark.parametrize('scores', ['l2', 'inner'])
def test_two_ranks_see_one_batch(scores):
    (loss, of_codes, of_rows), *_ = run_ranks(on_a_rank, 1, scores)
    ranks = run_ranks(on_a_rank, 2, scores)
    for found in ranks:
        torch.testing.assert_close(found[:2], (loss, of_codes))
    torch.testing.assert_close(torch.cat([found[2] for found in ranks]), of_rows)
