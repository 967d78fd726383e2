"""The distance equals published programs and formulas, whatever the rank."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.torch import load_file
from torch import Tensor

from tests.golden_cases import cases, described, noted
from vq.metrics.frechet import Gaussian, frechet_distance
from vq.metrics.moments import Moments

Array = NDArray[np.float64]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return normal numbers, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def gaussian(features: Tensor) -> Gaussian:
    """Return mean and covariance of features (n, d), by torch."""
    features = features.double()
    return Gaussian(features.mean(0), features.T.cov(), len(features))


def by_nuclear_norm(one: Tensor, other: Tensor) -> float:
    """Return the distance from the features alone, without a covariance's root."""
    centred = [x - x.mean(0) for x in (one, other)]
    scaled = [x / (len(x) - 1) ** 0.5 for x in centred]
    root = torch.linalg.svdvals(scaled[0] @ scaled[1].T).sum()
    means = (one.mean(0) - other.mean(0)).square().sum()
    return float(means + sum(x.square().sum() for x in scaled) - 2 * root)


def by_pytorch_fid(one: Gaussian, other: Gaussian) -> float:
    """Return the distance of the published program."""
    numbers = [x.numpy() for g in (one, other) for x in (g.mean, g.covariance)]
    return float(calculate_frechet_distance(*numbers))


@cases('10a')
def test_small_sets_equal_the_published_programs(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    found = []
    for number in (1, 2):
        features = case[f'in/features_{number}']
        moments = Moments(features.shape[1])
        moments.update(features)
        found.append(moments.gaussian())
        for name, ours in (('mu', found[-1].mean), ('sigma', found[-1].covariance)):
            theirs = case[f'out/small/{name}{number}']
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    distance = frechet_distance(*found)
    assert distance == pytest.approx(case['out/small/fid'].item(), rel=1e-8)
    fidelity = case['out/small/fid_torch_fidelity'].item()
    assert distance == pytest.approx(fidelity, rel=1e-8)
    same = case['out/small/fid_same'].item()
    assert frechet_distance(found[0], found[0]) == pytest.approx(same, abs=1e-8)


def recipe(rs: np.random.RandomState, n: int, d: int, shift: float) -> Array:
    """Return the golden case's features of a rank below their number."""
    mixing = rs.standard_normal((d, d)) / np.sqrt(d)
    features = rs.standard_normal((n, d)) @ mixing
    bias = 0.3 * rs.standard_normal((d,))
    return np.maximum(features + bias + shift, 0)


@cases('10a')
def test_fewer_images_than_features_stay_exact(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    rs = np.random.RandomState(*noted(path, r'RandomState\((\d+)\)'))
    n, d = described(path)['config']['big']
    arrays = [recipe(rs, n, d, shift) for shift in (0.2, 0.3)]
    sums = [float((x**power).sum()) for power in (1, 2) for x in arrays]
    assert sums == pytest.approx(case['out/big/feature_sums'].tolist(), rel=1e-9)
    one, other = map(torch.from_numpy, arrays)
    distance = frechet_distance(gaussian(one), gaussian(other))
    assert distance == pytest.approx(by_nuclear_norm(one, other), rel=1e-9)
    # The original takes the root of a singular product.
    assert distance == pytest.approx(case['out/big/fid'].item(), rel=1e-3)


def full() -> Tensor:
    """Features of full rank."""
    return normal(90, 12) @ normal(12, 12, seed=1) + 2


def few() -> Tensor:
    """Fewer images than features."""
    return normal(8, 12, seed=2)


def two() -> Tensor:
    """Two images."""
    return normal(2, 12, seed=3)


def dead() -> Tensor:
    """Many images, and three features that never change."""
    features = normal(200, 12, seed=4)
    features[:, 4:7] = 0.25
    return features


def dependent() -> Tensor:
    """Many images, and features that are sums of others."""
    return normal(300, 5, seed=5) @ normal(5, 12, seed=6)


KINDS = [full, few, two, dead, dependent]
Kind = Callable[[], Tensor]


@pytest.mark.parametrize('other', KINDS)
@pytest.mark.parametrize('one', KINDS)
def test_any_ranks_equal_the_nuclear_norm(one: Kind, other: Kind) -> None:
    x, y = one(), other().flip(1) * 1.5
    distance = frechet_distance(gaussian(x), gaussian(y))
    assert distance == pytest.approx(by_nuclear_norm(x, y), rel=1e-10)
    assert frechet_distance(gaussian(y), gaussian(x)) == pytest.approx(
        distance, rel=1e-10
    )


@pytest.mark.parametrize('kind', KINDS)
def test_a_set_is_at_no_distance_from_itself(kind: Kind) -> None:
    same = gaussian(kind())
    scale = float(same.covariance.trace())
    assert 0 <= frechet_distance(same, same) <= 1e-12 * scale


@pytest.mark.parametrize('kind', [full, few])
def test_full_rank_against_any_equals_pytorch_fid(kind: Kind) -> None:
    one, other = gaussian(full() / 2 + 1), gaussian(kind())
    expected = by_pytorch_fid(one, other)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_diagonal_and_commuting_covariances() -> None:
    a, b = normal(2, 20, seed=7).square() + 0.01
    mean = normal(20, seed=8)
    expected = float(mean.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    turn = torch.linalg.qr(normal(20, 20, seed=9)).Q
    for basis in (torch.eye(20, dtype=torch.float64), turn):
        one = Gaussian(mean, basis @ a.diag() @ basis.T, 1000)
        other = Gaussian(torch.zeros_like(mean), basis @ b.diag() @ basis.T, 1000)
        assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('factor', [1e-6, 1e6])
def test_it_scales_with_the_square_of_features(kind: Kind, factor: float) -> None:
    x, y = kind(), full().flip(1) + 1
    once = frechet_distance(gaussian(x), gaussian(y))
    scaled = frechet_distance(gaussian(x * factor), gaussian(y * factor))
    assert scaled == pytest.approx(once * factor**2, rel=1e-9)


@pytest.mark.parametrize('kind', [full, dead, dependent])
def test_the_number_of_images_may_be_unknown(kind: Kind) -> None:
    known, unknown = gaussian(kind()), gaussian(kind())
    unknown.count = 0
    other = gaussian(full())
    expected = frechet_distance(known, other)
    assert frechet_distance(unknown, other) == pytest.approx(expected, rel=1e-10)


def test_nan_and_other_lengths_are_refused() -> None:
    fine = gaussian(full())
    torn = gaussian(full())
    torn.covariance[3, 4] = torch.inf
    for pair in ((fine, torn), (torn, fine)):
        with pytest.raises(ValueError, match='of 90 images hold NaN or infinity'):
            frechet_distance(*pair)
    with pytest.raises(ValueError, match='features of 12 and of 5 numbers'):
        frechet_distance(fine, gaussian(normal(90, 5)))
