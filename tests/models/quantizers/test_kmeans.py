"""K-means: against scikit-learn, on the sphere, in chunks, seeded."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans, kmeans_plusplus
from torch.nn import functional

from vq.models.quantizers.kmeans import kmeans, spread_rows


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


def blobs(*, spread: float, number: int = 600) -> torch.Tensor:
    """Return rows around 20 centres, far from zero, float64, (number, 4)."""
    generator = torch.Generator().manual_seed(4)
    centres = 3 * torch.randn(20, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(number, 4, generator=generator, dtype=torch.float64)
    return centres[torch.arange(number) % 20] + spread * noise + 100


def potential(rows: torch.Tensor, start: torch.Tensor) -> float:
    return float(torch.cdist(rows, rows[start]).amin(1).square().mean())


def test_kmeans_plus_plus_is_as_good_as_scikit_learns():
    rows = blobs(spread=1)
    ours = [potential(rows, spread_rows(rows, 30, seed=i)) for i in range(25)]
    theirs = [
        potential(
            rows,
            torch.from_numpy(kmeans_plusplus(rows.numpy(), 30, random_state=i)[1]),
        )
        for i in range(25)
    ]
    drawn = [
        potential(
            rows, torch.randperm(600, generator=torch.Generator().manual_seed(i))[:30]
        )
        for i in range(25)
    ]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.05)
    assert np.mean(ours) < 0.9 * np.mean(drawn)


def test_kmeans_plus_plus_finds_each_of_some_distant_groups():
    rows = blobs(spread=1e-3)
    start = spread_rows(rows, 20, seed=3)
    assert sorted((start % 20).tolist()) == list(range(20))
    centres, counts = kmeans(rows, 20, start='kmeans++', seed=3)
    assert counts.tolist() == [30] * 20
    groups = torch.stack([rows[i::20].mean(0) for i in range(20)])
    torch.testing.assert_close(centres, groups[start % 20])
    again, _ = kmeans(rows, 20, rounds=0, start='kmeans++', seed=4)
    assert not torch.equal(again, rows[start])


def test_kmeans_plus_plus_takes_every_row_once_and_survives_copies():
    rows = torch.randn(9, 3)
    assert sorted(spread_rows(rows, 9).tolist()) == list(range(9))
    copies = torch.ones(5, 3)
    assert kmeans(copies, 4, start='kmeans++')[0].tolist() == copies[:4].tolist()


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


def test_too_few_rows_an_unsuitable_distance_and_an_unknown_start():
    with pytest.raises(ValueError, match='3 rows make no 4 clusters'):
        kmeans(torch.randn(3, 2), 4)
    with pytest.raises(ValueError, match="got 'inner'"):
        kmeans(torch.randn(3, 2), 2, distance='inner')
    with pytest.raises(ValueError, match="start must be one of .* got 'first'"):
        kmeans(torch.randn(3, 2), 2, start='first')
