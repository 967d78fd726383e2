"""Tokens in rows and grids; categories, and that they are hidden now and then."""

import numpy as np
import pytest
import torch

from tests.models.transformers.nets import GRID, LENGTH, drawn, network
from vq.models.transformers import UNKNOWN, Sampling, drop


def test_factors_are_numpys_digits():
    net = network(sizes=(4, 3, 5), factored=True)
    tokens = torch.randint(60, (2, *GRID))
    tokens[0, 0, :2] = torch.tensor([0, 59])
    rows = net.rows(tokens)
    digits = np.stack(np.unravel_index(tokens.flatten(1).numpy(), (4, 3, 5)), -1)
    assert np.array_equal(rows.numpy(), digits)
    assert torch.equal(net.grid(rows), tokens)
    tokens[1] = UNKNOWN
    assert (net.rows(tokens)[1] == UNKNOWN).all()
    assert torch.equal(net.grid(net.rows(tokens)), tokens)
    sampled = net.grid(drawn(net, 4, sampling=Sampling()))
    assert sampled.shape == (4, *GRID) and 0 <= sampled.min() <= sampled.max() < 60


@pytest.mark.parametrize(('sizes', 'last'), [((9,), ()), ((4, 3), (2,))])
def test_rows_and_grid_are_in_raster_order(sizes, last):
    net = network(sizes=sizes)
    tokens = torch.arange(LENGTH * len(sizes)).view(1, *GRID, *last)
    rows = net.rows(tokens)
    assert rows.flatten().tolist() == list(range(LENGTH * len(sizes)))
    assert rows.shape == (1, LENGTH, len(sizes))
    assert torch.equal(net.grid(rows), tokens)


@torch.no_grad()
def test_a_token_looks_at_those_before_alone():
    net = network(sizes=(4, 3))
    rows = torch.zeros(1, LENGTH, 2, dtype=torch.long)
    before = net(rows, torch.tensor([0]))
    for place in (0, 4, LENGTH - 1):
        changed = rows.clone()
        changed[0, place, 0] = 1
        after = net(changed, torch.tensor([0]))
        moved = [(a != b).any(-1)[0] for a, b in zip(before, after, strict=True)]
        later = torch.arange(LENGTH) > place
        assert moved[0].equal(later)
        later[place] = True  # the second sub-token follows the first
        assert moved[1].equal(later)
    other = net(rows, torch.tensor([net.null]))
    assert (other[0] != before[0]).any(-1).all()
    embedded = net(rows, net.condition(torch.tensor([0])))
    assert all(a.equal(b) for a, b in zip(before, embedded, strict=True))


def test_a_share_of_categories_is_hidden_and_the_batchs_stay():
    category = torch.arange(20_000) % 7
    before = category.clone()
    hidden = drop(category, share=0.1, null=7)
    assert (hidden == 7).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(hidden[hidden != 7], category[hidden != 7])
    assert torch.equal(category, before)
    assert drop(category, share=0.0, null=7) is category


def test_embeddings_do_not_overlap():
    net = network(sizes=(4, 3))
    weight = net.embedding.weight
    assert len(weight) == 4 + 3 + 3 + 1
    assert torch.equal(net.subtokens(torch.tensor([3, 2])), weight[[3, 4 + 2]])
    assert torch.equal(net.condition(torch.tensor([0, net.null])), weight[[7, 10]])
