"""Sub-tokens are told one by one, and all of them together have one distribution."""

import itertools

import pytest
import torch
from torch import nn

from tests.models.transformers.nets import LENGTH, drawn, network
from vq.models.proposal import cross_entropy
from vq.models.transformers import FactorisedHead, Sampling, heads
from vq.models.transformers.heads import none_before

SIZES = (4, 3, 2)


@torch.no_grad()
def test_probabilities_of_all_combinations_sum_to_one():
    net = network(sizes=SIZES)
    rows = torch.stack([torch.randint(size, (1, LENGTH)) for size in SIZES], dim=-1)
    total, place = torch.zeros(LENGTH), 5
    for one in itertools.product(*map(range, SIZES)):
        changed = rows.clone()
        changed[0, place] = torch.tensor(one)
        losses = cross_entropy(net(changed, torch.tensor([1])), changed)
        total += (-losses[0]).exp()
    assert total[place].item() == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_all_at_once_is_one_by_one():
    net = network(sizes=SIZES)
    features = torch.randn(2, 7, 16)
    rows = torch.stack([torch.randint(size, (2, 7)) for size in SIZES], dim=-1)
    embedded = net.subtokens(rows)
    together = net.logits(features, embedded[:, :, :-1])
    assert [one.shape for one in together] == [(2, 7, size) for size in SIZES]
    before = none_before(features)
    for j in range(len(SIZES)):
        found = net.logits(features, before)
        assert len(found) == j + 1
        torch.testing.assert_close(found[j], together[j], rtol=0, atol=1e-5)
        # What comes later is not looked at.
        before = embedded[:, :, : j + 1]
    changed = embedded[:, :, :-1] + torch.tensor([0.0, 1.0])[:, None]
    other = net.logits(features, changed)
    assert torch.equal(other[1], together[1]) and not other[2].equal(together[2])


def test_no_kernel_gets_more_sequences_than_it_takes(monkeypatch):
    head = network(sizes=SIZES).head
    features, embedded = torch.randn(3, 7, 16), torch.randn(3, 7, 2, 16)
    whole = head(features, embedded)
    monkeypatch.setattr(heads, 'MOST_SEQUENCES', 8)
    batches = []
    head.body.register_forward_hook(lambda _, given, __: batches.append(len(given[0])))
    for one, other in zip(head(features, embedded), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert batches == [8, 8, 5]


def test_sampled_subtokens_are_the_likeliest_given_those_before():
    net = network(sizes=SIZES)
    rows = drawn(net, 3, sampling=Sampling(temperature=0))
    told = net(rows, torch.arange(3))
    likeliest = torch.stack([one.argmax(-1) for one in told], dim=-1)
    assert torch.equal(rows, likeliest)


def test_it_begins_with_equally_likely_tokens():
    head = FactorisedHead(dim=16, token_sizes=SIZES, depth=1, heads=2)
    logits = head(torch.randn(5, 16), torch.randn(5, 2, 16))
    assert not any(one.any() for one in logits)
    body = head.body.blocks[0].attention
    assert body.qkv.weight.std().item() == pytest.approx(0.02, rel=0.2)


@torch.no_grad()
def test_a_tied_head_is_the_embedding():
    tied, plain = network(tied=True), network()
    state = tied.state_dict()
    assert not any(key.startswith('head') for key in state)
    plain.load_state_dict(
        state | {'head.linear.weight': tied.embedding.weight[: tied.codes]}
    )
    rows = torch.randint(9, (3, LENGTH, 1))
    assert torch.equal(tied(rows, torch.arange(3))[0], plain(rows, torch.arange(3))[0])
    options = dict(sampling=Sampling(cfg=2.0))
    assert torch.equal(drawn(tied, **options), drawn(plain, **options))
    with pytest.raises(ValueError, match=r'tells one sub-token, but there are \(4, 3'):
        network(sizes=SIZES, tied=True)


def test_a_tied_embedding_learns_from_both_its_uses():
    net = network(tied=True).train()
    rows = torch.randint(9, (3, LENGTH, 1))
    cross_entropy(net(rows, torch.arange(3)), rows).mean().backward()
    gradient = nn.Module.get_parameter(net, 'embedding.weight').grad
    assert gradient[: net.codes].abs().sum(1).gt(0).all()
    assert not gradient[net.null + net.codes].any()
