"""Codes of bits: tokens, entropies against explicit tables, memory, ranks."""

import pytest
import torch
from einops import rearrange
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.ranks import run_ranks
from vq import distributed
from vq.models.quantizers.bits import (
    batch_entropy,
    bits_to_tokens,
    sample_entropy,
    tokens_to_bits,
)

EPS = 1e-5


def shares(logits):
    """List the probability of each of the 2^d codes, (n, 2^d), code by code."""
    dim = logits.shape[-1]
    signs = torch.tensor(
        [[2 * (t >> i & 1) - 1 for i in range(dim)] for t in range(2**dim)]
    )
    return (logits @ (signs / 2).to(logits).T).softmax(-1)


def entropies(logits):
    """Compute both from the table of rows and codes."""
    table = shares(logits)
    mean = table.mean(0)
    sample = torch.special.entr(table).sum(-1).mean()
    return sample, -(mean * (mean + EPS).log()).sum()


@pytest.mark.parametrize('scale', [0.3, 3.0])
def test_entropies_are_those_of_the_table_of_all_codes(scale):
    logits = (scale * torch.randn(30, 7, dtype=torch.float64)).requires_grad_()
    actual = sample_entropy(logits), batch_entropy(logits, group_bits=7, eps=EPS)
    expected = entropies(logits)
    torch.testing.assert_close(actual, expected)
    for one, other in zip(actual, expected, strict=True):
        gradients = [
            torch.autograd.grad(x, logits, retain_graph=True) for x in (one, other)
        ]
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ('dim', 'group_bits', 'lengths'),
    [(8, 4, (4, 4)), (8, 3, (3, 3, 2)), (7, 6, (4, 3)), (5, 1, (1,) * 5), (3, 9, (3,))],
)
def test_entropies_of_groups_are_added(dim, group_bits, lengths):
    logits = torch.randn(30, dim, dtype=torch.float64, requires_grad=True)
    actual = batch_entropy(logits, group_bits=group_bits, eps=EPS)
    expected = sum(entropies(part)[1] for part in logits.split(lengths, -1))
    torch.testing.assert_close(actual, expected)
    gradients = [torch.autograd.grad(x, logits) for x in (actual, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('rows_at_once', [1, 7, 59])
def test_chunks_change_nothing(rows_at_once):
    logits = torch.randn(60, 10, requires_grad=True)
    whole = batch_entropy(logits, group_bits=5, eps=EPS)
    budget = rows_at_once * 2 * 2**3 * 4  # two groups; the longer half has 3 bits
    chunked = batch_entropy(logits, group_bits=5, eps=EPS, budget_bytes=budget)
    torch.testing.assert_close(chunked, whole)
    gradients = [torch.autograd.grad(x, logits) for x in (chunked, whole)]
    torch.testing.assert_close(*gradients)


class Largest(TorchDispatchMode):
    """Remember the largest tensor that any operation returns, in bytes."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.bytes = max(self.bytes, leaf.numel() * leaf.element_size())
        return result


def test_no_tensor_is_larger_than_the_budget():
    logits = torch.randn(4096, 18, requires_grad=True)
    gradients = []
    for budget in (2**21, 2**28):
        with Largest() as largest:
            loss = batch_entropy(logits, group_bits=18, eps=EPS, budget_bytes=budget)
            gradients += torch.autograd.grad(loss, logits)
        # Rows x codes would be 4 GiB; without a limit it is rows x 2^9.
        assert largest.bytes == min(budget, 4096 * 2**9 * 4)
    torch.testing.assert_close(*gradients)


def test_entropies_of_sure_bits():
    logits = torch.tensor([[1e4, -1e4], [-1e4, -1e4]], requires_grad=True)
    sample, batch = sample_entropy(logits), batch_entropy(logits, group_bits=2, eps=0.0)
    assert sample == 0
    batch_with_eps = batch_entropy(logits, group_bits=2, eps=1e-8)
    torch.testing.assert_close(batch_with_eps, torch.tensor(2.0).log())
    (sample + batch_with_eps).backward()
    assert logits.grad.isfinite().all()
    assert batch.isnan()  # why there is an eps


def on_a_rank():
    torch.manual_seed(0)
    logits = torch.randn(12, 7)
    logits = logits.chunk(distributed.world_size())[distributed.rank()].requires_grad_()
    loss = sample_entropy(logits) - batch_entropy(logits, group_bits=4, eps=EPS)
    loss.backward()
    return distributed.mean(loss.detach()), logits.grad / distributed.world_size()


def test_two_ranks_see_one_batch():
    ((loss, gradient),) = run_ranks(on_a_rank, 1)
    ranks = run_ranks(on_a_rank, 2)
    for found in ranks:
        torch.testing.assert_close(found[0], loss)
    torch.testing.assert_close(torch.cat([found[1] for found in ranks]), gradient)


def test_weights_of_bits():
    bits = torch.tensor([[1, 0, 0, 1, 1], [0, 1, 1, 0, 1]])
    whole = torch.tensor([1 + 8 + 16, 2 + 4 + 16])
    assert torch.equal(bits_to_tokens(bits, [5]), whole)
    parts = torch.tensor([[1, 0 + 2 + 4], [2, 1 + 0 + 4]])
    assert torch.equal(bits_to_tokens(bits.bool(), [2, 3]), parts)


@pytest.mark.parametrize('token_bits', [(18,), (6, 12), (1, 9, 8)], ids=str)
def test_every_token_makes_the_round_trip(token_bits):
    numbers = rearrange(torch.arange(2**18), '(h w) -> h w', h=2)
    bits = (rearrange(numbers, 'h w -> h w 1') >> torch.arange(18)) & 1
    tokens = bits_to_tokens(bits, token_bits)
    assert tokens.shape == (2, 2**17, len(token_bits))[: 2 + (len(token_bits) > 1)]
    assert torch.equal(tokens_to_bits(tokens, token_bits), bits.bool())


def test_the_longest_tokens():
    bits = torch.ones(1, 62, dtype=torch.bool)
    tokens = bits_to_tokens(bits, [62])
    assert tokens.item() == 2**62 - 1
    assert torch.equal(tokens_to_bits(tokens, [62]), bits)
