"""KID equals torch-fidelity's, on features of any size."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch_fidelity.metric_kid import kid_features_to_metric

from tests.golden_cases import cases, noted
from tests.metrics.pooled_pixels import (
    EXTRACTOR,
    features_of,
    validator,
    write_reference,
)
from vq.metrics import KIDMetric
from vq.metrics.kid import kernel_distance

THEIRS = 'kernel_inception_distance'


def torch_fidelity(
    features: Tensor, reference: Tensor, *, subsets: int, size: int, seed: int = 2020
) -> list[float]:
    """Return mean and standard deviation, computed in float64."""
    found = kid_features_to_metric(
        features.double(),
        reference.double(),
        kid_subsets=subsets,
        kid_subset_size=size,
        rng_seed=seed,
        verbose=False,
    )
    return [found[f'{THEIRS}_mean'], found[f'{THEIRS}_std']]


@cases('10a')
def test_equals_the_published_number(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    features, reference = case['in/features_1'], case['in/features_2']
    subsets, size, seed = noted(path, r'(\d+) subsets of (\d+), rng_seed (\d+)')
    options = dict(subsets=subsets, subset_size=size, seed=seed)
    found = kernel_distance(features, reference, **options)
    theirs = case['out/kid/mean_std'].tolist()  # float32 differences of large sums
    assert [found['mean'], found['std']] == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize(
    'n, m, dim, subsets, size, seed',
    [(50, 70, 8, 7, 20, 2020), (30, 30, 100, 3, 30, 5), (2, 9, 1, 1, 2, 0)],
)
def test_equals_torch_fidelity(
    n: int, m: int, dim: int, subsets: int, size: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(n)
    features = torch.randn(n, dim, generator=generator)
    reference = 0.9 * torch.randn(m, dim, generator=generator) + 0.2
    found = kernel_distance(
        features, reference, subsets=subsets, subset_size=size, seed=seed
    )
    mean, std = torch_fidelity(
        features, reference, subsets=subsets, size=size, seed=seed
    )
    assert [found['mean'], found['std']] == pytest.approx([mean, std], rel=1e-9)
    assert found['standard_error'] == pytest.approx(std / subsets**0.5, rel=1e-9)


def test_the_metric_equals_torch_fidelity(tmp_path: Path) -> None:
    path = tmp_path / 'reference.safetensors'
    reference = write_reference(path, 30)
    config = dict(
        type='KIDMetric',
        reference=str(path),
        subsets=6,
        subset_size=15,
        seed=3,
        extractor=EXTRACTOR,
    )
    runner = validator(tmp_path, 20, metrics=dict(kid=config))
    found = runner.run()
    features = features_of(tmp_path, 20)
    theirs = torch_fidelity(features, reference, subsets=6, size=15, seed=3)
    assert [found['kid/mean'], found['kid/std']] == pytest.approx(theirs, rel=1e-5)
    record = runner.protocols()['kid']
    assert [record[k] for k in ('subsets', 'subset_size', 'seed')] == [6, 15, 3]


def test_errors_name_the_numbers() -> None:
    with pytest.raises(ValueError, match='there are 9 images, and subset_size=1000'):
        kernel_distance(torch.rand(9, 2), torch.rand(2000, 2))
    with pytest.raises(ValueError, match='features of 2 and of 3 numbers'):
        kernel_distance(torch.rand(9, 2), torch.rand(9, 3))
    with pytest.raises(ValueError, match='got subsets=100, subset_size=1'):
        KIDMetric(reference='x', subset_size=1)
