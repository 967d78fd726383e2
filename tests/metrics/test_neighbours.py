"""Metrics of neighbours equal torch-fidelity and brute force, in any chunks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch_fidelity.metric_prc import prc_features_to_metric

from tests.golden_cases import cases, noted
from tests.metrics.pooled_pixels import (
    EXTRACTOR,
    features_of,
    validator,
    write_reference,
)
from vq.metrics import PrecisionRecallMetric
from vq.metrics.neighbours import density_coverage, precision_recall

SIZES = [(60, 45, 5, 3), (40, 90, 20, 1), (33, 35, 9, 2)]  # n, m, d, neighbours


def clouds(n: int, m: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return two sets of features that overlap in part."""
    generator = torch.Generator().manual_seed(n + m)
    features = 0.8 * torch.randn(n, dim, generator=generator) + 0.3
    return features, torch.randn(m, dim, generator=generator)


def grid(n: int) -> Tensor:
    """Return points of a grid, many at the same distance, some at the same place."""
    generator = torch.Generator().manual_seed(n)
    return torch.randint(4, (n, 3), generator=generator).double() * 0.1 + 7


def torch_fidelity(x: Tensor, y: Tensor, neighbours: int) -> dict[str, float]:
    found: dict[str, float] = prc_features_to_metric(
        x.double(),
        y.double(),
        prc_neighborhood=neighbours,
        prc_batch_size=1000,
        save_cpu_ram=False,
        verbose=False,
    )
    return found


def brute_force(x: Tensor, y: Tensor, neighbours: int) -> dict[str, float]:
    """Return density and coverage by their definition, image by image."""
    real, fake = y.double().numpy(), x.double().numpy()
    inside = np.zeros((len(real), len(fake)), dtype=bool)
    for i, centre in enumerate(real):
        others = np.linalg.norm(np.delete(real, i, axis=0) - centre, axis=1)
        radius = np.sort(others)[neighbours - 1]
        inside[i] = np.linalg.norm(fake - centre, axis=1) < radius - 1e-9
    return dict(
        density=inside.sum() / (neighbours * len(fake)),
        coverage=inside.any(1).mean(),
    )


@cases('10a')
def test_precision_and_recall_equal_the_published_numbers(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    (neighbours,) = noted(path, r'neighbourhood (\d+)')
    pair = case['in/features_1'], case['in/features_2']
    found = precision_recall(*pair, neighbours=neighbours)
    theirs = {key: case[f'out/prc/{key}'].item() for key in found}
    assert found == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize('n, m, dim, neighbours', SIZES)
def test_precision_and_recall_equal_torch_fidelity(
    n: int, m: int, dim: int, neighbours: int
) -> None:
    pair = clouds(n, m, dim)
    found = precision_recall(*pair, neighbours=neighbours)
    assert found == pytest.approx(torch_fidelity(*pair, neighbours), rel=1e-6)
    assert 0 < found['precision'] != found['recall'] > 0


@pytest.mark.parametrize('n, m, dim, neighbours', SIZES)
def test_density_and_coverage_equal_brute_force(
    n: int, m: int, dim: int, neighbours: int
) -> None:
    pair = clouds(n, m, dim)
    found = density_coverage(*pair, neighbours=neighbours)
    assert found == pytest.approx(brute_force(*pair, neighbours), rel=1e-12)
    assert 0 < found['density'] != found['coverage'] > 0


def test_equal_distances_do_not_depend_on_rounding() -> None:
    x, y = grid(50), grid(70)
    assert density_coverage(x, y) == pytest.approx(brute_force(x, y, 5), rel=1e-12)
    whole = [((z - 7) * 10).round() for z in (x, y)]  # computed without rounding
    assert precision_recall(x, y) == precision_recall(*whole)


@pytest.mark.parametrize('chunk_bytes', [1, 8 * 41 * 3, 8 * 41 * 40])
def test_chunks_of_any_size_give_the_same(chunk_bytes: int) -> None:
    for pair in (clouds(41, 38, 6), (grid(41), grid(38))):
        for function in (precision_recall, density_coverage):
            assert function(*pair, chunk_bytes=chunk_bytes) == function(*pair)


def test_a_set_beside_itself_and_far_away() -> None:
    x, _ = clouds(20, 20, 4)
    whole = dict(precision=1, recall=1, f_score=1, density=1, coverage=1)
    assert precision_recall(x, x) | density_coverage(x, x) == pytest.approx(whole)
    nothing = precision_recall(x, x + 100) | density_coverage(x, x + 100)
    assert nothing == dict.fromkeys(whole, 0)


def test_the_metrics_equal_the_formulas(tmp_path: Path) -> None:
    path = tmp_path / 'reference.safetensors'
    reference = write_reference(path, 30)
    common = dict(reference=str(path), neighbours=4, extractor=EXTRACTOR)
    configs = dict(
        pr=dict(type='PrecisionRecallMetric', **common),
        dc=dict(type='DensityCoverageMetric', **common),
    )
    runner = validator(tmp_path, 20, metrics=configs)
    found = runner.run()
    features = features_of(tmp_path, 20)
    for name, value in torch_fidelity(features, reference, 4).items():
        assert found[f'pr/{name}'] == pytest.approx(value, rel=1e-6)
    for name, value in brute_force(features, reference, 4).items():
        assert found[f'dc/{name}'] == pytest.approx(value, rel=1e-12)
    assert runner.protocols()['pr']['neighbours'] == 4


def test_errors_name_the_numbers() -> None:
    with pytest.raises(ValueError, match='the reference has 3 images, and neighbours'):
        precision_recall(torch.rand(9, 2), torch.rand(3, 2))
    with pytest.raises(ValueError, match='neighbours=5 needs 6 at least'):
        density_coverage(torch.rand(5, 2), torch.rand(9, 2))
    with pytest.raises(ValueError, match='neighbours must be 1 at least, got 0'):
        PrecisionRecallMetric(reference='x', neighbours=0)
