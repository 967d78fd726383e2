"""Blocks: attention by its formula, recomputed activations, dropout, and errors."""

import pytest
import torch

from tests.models.transformers.nets import LENGTH, body, network
from vq.models.proposal import cross_entropy
from vq.models.transformers.blocks import CausalAttention
from vq.models.transformers.rope import rotate, row_table


def test_attention_is_the_formula():
    module = CausalAttention(dim=8, heads=2, bias=True, qk_norm=True, dropout=0.0)
    hidden, table = torch.randn(3, 5, 8), row_table(5, 4, base=100.0)
    query, key, value = module.qkv(hidden).view(3, 5, 3, 2, 4).unbind(2)
    outs = []
    for m in range(2):
        q, k = (
            rotate(
                x[:, :, m] / (x[:, :, m].square().mean(-1, True) + 1e-6) ** 0.5, table
            )
            for x in (query, key)
        )
        scores = q @ k.mT / 2  # the root of 4 channels
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        outs.append(scores.softmax(-1) @ value[:, :, m])
    torch.testing.assert_close(module(hidden, table), module.out(torch.cat(outs, -1)))


def gradients(kind, **changes):
    """Return the loss and all gradients of one training pass."""
    net = network(kind, **changes).train()
    rows = torch.arange(2 * LENGTH).view(2, LENGTH, 1) % 9
    torch.manual_seed(5)
    loss = cross_entropy(net(rows, torch.tensor([0, 3])), rows).mean()
    loss.backward()
    return loss, {key: p.grad for key, p in net.named_parameters()}


@pytest.mark.parametrize('kind', ['grid', 'gpt2'])
def test_recomputed_activations_give_the_same_gradients(kind):
    options = dict(dropout=0.3, attention_dropout=0.2)  # drawn anew, but the same
    loss, expected = gradients(kind, **options)
    again, found = gradients(kind, checkpointing=True, **options)
    assert torch.equal(loss, again)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)
    assert gradients(kind)[0] != loss


def test_less_is_kept_for_the_backward_pass():
    kept = []
    for checkpointing in (False, True):
        inner = body(depth=6, checkpointing=checkpointing).train()
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, saved=saved: saved.append(x.numel()) or x, lambda x: x
        ):
            inner(torch.randn(2, LENGTH, 16, requires_grad=True))
        kept.append(sum(saved))
    assert kept[1] < kept[0] / 4


@pytest.mark.parametrize('kind', ['row', 'gpt2'])
def test_dropout_is_of_training_alone(kind):
    net = network(kind, dropout=0.5, attention_dropout=0.5)
    rows = torch.zeros(1, LENGTH, 1, dtype=torch.long)
    category = torch.tensor([1])
    assert torch.equal(net(rows, category)[0], network(kind)(rows, category)[0])
    net.train()
    assert not torch.equal(net(rows, category)[0], net(rows, category)[0])


def test_errors_name_the_way_out():
    with pytest.raises(ValueError, match='3 heads do not divide a width of 16'):
        body(heads=3)
    with pytest.raises(ValueError, match='0 heads do not divide a width of 16'):
        body(heads=0)
    for grid in ((3,), (0, 4)):
        with pytest.raises(ValueError, match='grid must be rows and columns of tokens'):
            body(grid=grid)
    with pytest.raises(ValueError, match=r'13 positions do not fit the grid \(3, 4\)'):
        body()(torch.zeros(1, 13, 16))
    with pytest.raises(ValueError, match="'row' or 'grid', got '2d'"):
        body(positions='2d')
    with pytest.raises(ValueError, match='heads of 4 n channels, got 2'):
        body(positions='grid', heads=8)


@torch.no_grad()
def test_angles_stay_exact_beside_half_precision():
    inner, hidden = body('grid'), torch.randn(2, LENGTH, 16)
    before, exact = inner.table.clone(), inner(hidden)
    half = inner.to(torch.bfloat16)
    assert torch.equal(half.table, before)
    found = half(hidden.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), exact, rtol=0, atol=0.1)
    assert half.to('meta').table.device.type == 'meta'


@pytest.mark.filterwarnings('error')
def test_normalised_heads_keep_their_precision() -> None:
    attention = CausalAttention(dim=16, heads=2, bias=False, qk_norm=True, dropout=0.0)
    heads = torch.randn(1, 2, 3, 8)
    whole, half = (attention.query_norm(x) for x in (heads, heads.bfloat16()))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), whole, atol=2e-2, rtol=2e-2)
