"""Streamed moments are those of numpy, for any cut, and for any number of ranks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.ranks import run_ranks
from vq.metrics.frechet import Gaussian
from vq.metrics.moments import ROWS, Moments

NUMBER = 1001
DIM = 7


def features(number: int = NUMBER) -> Tensor:
    """Return features (number, 7), float32."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(number, DIM, generator=generator) ** 2


def streamed(features: Tensor, *cuts: int) -> Moments:
    """Return moments of features that come in batches which end at `cuts`."""
    moments = Moments(features.shape[1])
    for batch in features.tensor_split(cuts):
        moments.update(batch)
    return moments


def assert_equal(found: Gaussian, features: Tensor, *, rel: float = 1e-12) -> None:
    """Compare with numpy's mean and covariance in float64."""
    array = features.double().numpy()
    assert found.count == len(array)
    assert found.mean.numpy() == pytest.approx(array.mean(0), rel=rel)
    covariance = np.cov(array, rowvar=False)
    error = np.abs(found.covariance.numpy() - covariance).max()
    assert error <= rel * np.abs(covariance).max()
    assert torch.equal(found.covariance, found.covariance.T)
    assert found.covariance.dtype == found.mean.dtype == torch.float64


@pytest.mark.parametrize(
    'cuts', [(), (1,), (0, 3, 3, 1000), (ROWS,), (ROWS - 1, ROWS + 1), range(1, 1001)]
)
def test_any_cut_equals_numpy(cuts: tuple[int, ...]) -> None:
    assert_equal(streamed(features(), *cuts).gaussian(), features())


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64])
def test_any_dtype_is_summed_in_float64(dtype: torch.dtype) -> None:
    given = features().to(dtype)
    assert_equal(streamed(given, 400).gaussian(), given)


def test_a_large_mean_leaves_the_covariance_exact() -> None:
    given = features() * 3 + 1000
    assert_equal(streamed(given, 100).gaussian(), given, rel=1e-8)


def on_ranks(cuts: list[list[int]]) -> list[Gaussian]:
    """Return moments over ranks, each of which has what is between two cuts."""
    rank = torch.distributed.get_rank()
    shares = [features().tensor_split(places)[rank] for places in cuts]
    return [streamed(share, 5).gaussian() for share in shares]


@pytest.mark.parametrize(
    'cuts', [[[600], [0]], [[334, 667], [700, 1001], [0, 1]]], ids=['two', 'three']
)
def test_ranks_with_uneven_shares_equal_one(cuts: list[list[int]]) -> None:
    results = run_ranks(on_ranks, len(cuts[0]) + 1, cuts)
    for result in results:
        for found, same in zip(result, results[0], strict=True):
            assert_equal(found, features())
            assert torch.equal(found.covariance, same.covariance)


def test_a_run_goes_on_from_its_state() -> None:
    first, last = features().tensor_split([300])
    before, after = streamed(first, 7), Moments(DIM)
    after.add(before.state_dict())
    after.update(last)
    assert_equal(after.gaussian(), features())
    assert_equal(before.gaussian(), first)


def held(moments: Moments) -> int:
    """Return the bytes of all tensors that moments keep alive."""
    kept = [moments._sum, moments._products, *moments._rows]
    return sum(tensor.untyped_storage().nbytes() for tensor in kept)


def test_memory_does_not_grow_with_the_images() -> None:
    room = 8 * (DIM * DIM + DIM + 2 * ROWS * DIM)
    moments = Moments(DIM)
    for _ in range(100):
        # A view, such as a part of a network's map; the map is not kept.
        moments.update(torch.rand(100, 50, DIM)[:, 3])
        assert held(moments) <= room
    assert moments.count == 10_000


def test_what_is_wrong_is_said() -> None:
    moments = Moments(DIM)
    with pytest.raises(ValueError, match=r'must be \(b, 7\), got \(2, 8\)'):
        moments.update(torch.zeros(2, 8))
    moments.update(features(1))
    with pytest.raises(ValueError, match='two images at least, got 1'):
        moments.gaussian()
