"""K-means: against scikit-learn, on the sphere, in chunks, seeded."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch.nn import functional

from vq.models.quantizers.kmeans import kmeans


@pytest.mark.parametrize('rounds', [1, 3, 10])
def test_equals_lloyd_of_scikit_learn(rounds):
    rows, start = torch.randn(500, 5, dtype=torch.float64), torch.arange(12)
    centres, counts = kmeans(rows, 12, rounds=rounds, start=start)
    peer = KMeans(
        12,
        init=rows[start].numpy(),
        n_init=1,
        max_iter=rounds,
        tol=0,
        algorithm='lloyd',
    ).fit(rows.numpy())
    assert np.allclose(centres.numpy(), peer.cluster_centers_, rtol=0, atol=1e-12)
    before, _ = kmeans(rows, 12, rounds=rounds - 1, start=start)
    nearest = torch.cdist(rows, before).argmin(1)
    assert torch.equal(counts, nearest.bincount(minlength=12))


def test_a_round_on_the_sphere_equals_its_formula():
    rows, start = torch.randn(200, 5), torch.tensor([3, 1, 4, 15])
    centres, counts = kmeans(rows, 4, distance='cosine', rounds=1, start=start)
    rows = functional.normalize(rows, dim=-1)
    nearest = (rows @ rows[start].T).argmax(1)
    means = torch.stack([rows[nearest == token].mean(0) for token in range(4)])
    torch.testing.assert_close(centres, functional.normalize(means, dim=-1))
    assert torch.equal(counts, nearest.bincount())


@pytest.mark.parametrize('distance', ['l2', 'cosine'])
def test_chunks_change_nothing(distance):
    rows = torch.randn(300, 6)
    whole = kmeans(rows, 70, distance=distance)
    chunked = kmeans(rows, 70, distance=distance, budget_bytes=1)
    assert all(map(torch.equal, whole, chunked))


def test_the_seed_draws_different_rows():
    rows = torch.randn(50, 3)
    centres, counts = kmeans(rows, 20, rounds=0, seed=1)
    assert len(set(map(tuple, centres.tolist()))) == 20
    assert set(map(tuple, centres.tolist())) <= set(map(tuple, rows.tolist()))
    assert torch.equal(counts, torch.zeros(20, dtype=torch.int64))
    torch.randn(1)  # the global stream plays no part
    assert torch.equal(kmeans(rows, 20, rounds=0, seed=1)[0], centres)
    assert not torch.equal(kmeans(rows, 20, rounds=0, seed=2)[0], centres)


def test_a_cluster_without_rows_keeps_its_centre():
    rows = torch.tensor([[0.0], [0.0], [4.0], [6.0]])
    centres, counts = kmeans(rows, 3, start=torch.tensor([0, 1, 2]))
    assert centres.tolist() == [[0], [0], [5]]  # the lower one wins the tie
    assert counts.tolist() == [2, 0, 2]


def test_half_precision_rows_are_averaged_in_float32():
    rows = torch.randn(64, 4).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        centres, _ = kmeans(rows, 5)
    assert centres.dtype == torch.float32
    assert torch.equal(centres, kmeans(rows.float(), 5)[0])


def test_too_few_rows_and_an_unsuitable_distance():
    with pytest.raises(ValueError, match='3 rows make no 4 clusters'):
        kmeans(torch.randn(3, 2), 4)
    with pytest.raises(ValueError, match="got 'inner'"):
        kmeans(torch.randn(3, 2), 2, distance='inner')
