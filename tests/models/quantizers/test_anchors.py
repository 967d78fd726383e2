"""Anchors: draws, the contrastive loss, chunks."""

import pytest
import torch
from torch.nn import functional

from vq.models.quantizers import anchors

TEMPERATURE = 0.07


def contrast(codes, rows, distance):
    """Return the contrastive loss, from the whole matrix of similarities."""
    scores = -torch.cdist(codes, rows).square()
    if distance == 'cosine':
        units = [functional.normalize(x, dim=1) for x in (codes, rows)]
        scores = units[0] @ units[1].T
    n, k = len(rows), len(codes)
    scores = scores.sort(1, descending=True).values
    positive = scores[:, : max(1, n // k)].mean(1, keepdim=True)
    logits = torch.cat([positive, scores[:, n - n // 2 :]], dim=1) / TEMPERATURE
    return functional.cross_entropy(logits, torch.zeros(k, dtype=torch.int64))


def test_probable_anchors_follow_their_probabilities_and_favour_near_latents():
    codes = torch.tensor([[1.0, 0.0]]).expand(20_000, 2)
    rows = torch.tensor([[1.0, 0.1], [0.5, 1.0], [-1.0, 0.0]])
    for distance in ('l2', 'cosine'):
        drawn = anchors.probable_rows(codes, rows, distance=distance)
        scores = -torch.cdist(codes[:1], rows)[0].square()
        if distance == 'cosine':
            scores = torch.cosine_similarity(codes[:1], rows)
        shares = drawn.bincount(minlength=3) / len(drawn)
        torch.testing.assert_close(shares, scores.softmax(0), rtol=0, atol=0.015)
        assert shares[0] > shares[1] > shares[2]


@pytest.mark.parametrize('distance', ['l2', 'cosine', 'inner'])
def test_chunks_change_nothing(distance):
    codes = torch.randn(10, 4, dtype=torch.float64, requires_grad=True)
    rows = torch.randn(30, 4, dtype=torch.float64)
    results = []
    for budget in (2**20, 3 * 30 * 8, 1):
        torch.manual_seed(0)
        options = dict(distance=distance, budget_bytes=budget)
        loss = anchors.contrastive_loss(codes, rows, temperature=0.1, **options)
        results.append((loss, *torch.autograd.grad(loss, codes)))
        torch.testing.assert_close(results[-1], results[0])
    drawn = anchors.probable_rows(codes, rows, distance=distance, budget_bytes=1)
    assert drawn.shape == (10,) and drawn.min() >= 0 and drawn.max() < 30
