"""The bank holds every image's features in the data set's order, on any ranks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.metrics.pooled_pixels import (
    DIM,
    EXTRACTOR,
    features_of,
    measure,
    validator,
    write_reference,
)
from tests.ranks import run_ranks
from vq import distributed
from vq.metrics import KIDMetric
from vq.metrics.bank import Bank
from vq.metrics.kid import kernel_distance
from vq.metrics.neighbours import density_coverage, precision_recall

LENGTH = 29  # neither a multiple of 2 nor of 3 ranks
BROKEN = (0, 17)


def random_features(length: int) -> Tensor:
    return torch.rand(length, DIM, generator=torch.Generator().manual_seed(2))


def gathered(order: list[int], batch_size: int, number: int | None) -> Tensor:
    """Put this rank's share of images into a bank, in an order."""
    features = random_features(LENGTH)
    bank = Bank(DIM, length=LENGTH, number=number)
    mine = torch.tensor(order[distributed.rank() :: distributed.world_size()])
    for index in mine.split(batch_size):
        bank.update(features[index], index)
    return bank.gather()


@pytest.mark.parametrize('batch_size', [1, 4, LENGTH])
def test_the_order_of_batches_does_not_matter(batch_size: int) -> None:
    order = torch.randperm(LENGTH, generator=torch.Generator().manual_seed(1)).tolist()
    expected = random_features(LENGTH)
    assert torch.equal(gathered(order, batch_size, None), expected)
    assert torch.equal(gathered(order, batch_size, LENGTH + 1), expected)


@pytest.mark.parametrize('number', [1, 2, 7, 28, 29])
def test_a_number_is_kept_evenly_spaced(number: int) -> None:
    kept = gathered(list(range(LENGTH)), 4, number)
    features = random_features(LENGTH)
    index = [i for i in range(LENGTH) if (features[i] == kept).all(1).any()]
    assert torch.equal(kept, features[index])
    assert len(index) == number
    steps = torch.tensor([*index, index[0] + LENGTH]).diff()
    assert steps.max() - steps.min() <= 1


def metrics(reference: Path, **changes: Any) -> dict[str, Any]:
    """Return configs of all metrics that have a bank."""
    common = dict(reference=str(reference), extractor=EXTRACTOR, **changes)
    return dict(
        kid=dict(type='KIDMetric', subset_size=10, subsets=5, **common),
        pr=dict(type='PrecisionRecallMetric', **common),
        dc=dict(type='DensityCoverageMetric', **common),
    )


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_any_ranks_give_the_numbers_of_one_with_broken_images(
    tmp_path: Path, world_size: int
) -> None:
    path = tmp_path / 'reference.safetensors'
    reference = write_reference(path, 40)
    features = features_of(tmp_path, LENGTH, without=BROKEN)
    kid = kernel_distance(features, reference, subset_size=10, subsets=5)
    expected = {f'kid/{key}': value for key, value in kid.items()}
    for name, value in precision_recall(features, reference).items():
        expected[f'pr/{name}'] = value
    for name, value in density_coverage(features, reference).items():
        expected[f'dc/{name}'] = value
    arguments = tmp_path, LENGTH, dict(metrics=metrics(path), broken=BROKEN)
    results = [measure(*arguments)]
    if world_size > 1:
        results = run_ranks(measure, world_size, *arguments)
    for found in results:
        assert found == pytest.approx(expected, rel=1e-5)


def test_the_protocol_says_how_many_are_compared(tmp_path: Path) -> None:
    path = tmp_path / 'reference.safetensors'
    reference = write_reference(path, 40)
    runner = validator(tmp_path, LENGTH, metrics=metrics(path, number=20))
    found = runner.run()
    record = runner.protocols()['kid']
    assert (record['features'], record['reference_features']) == (20, 40)
    index = [i for i in range(LENGTH) if i * 20 % LENGTH < 20]
    features = features_of(tmp_path, LENGTH)[index]
    expected = kernel_distance(features, reference, subset_size=10, subsets=5)
    assert found['kid/mean'] == pytest.approx(expected['mean'], rel=1e-5)


def test_errors_come_before_an_image_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'cats_train.safetensors'
    write_reference(path, 40, features=False)
    command = 'auto_torchrun -m vq.fid cats --train --features 10000'
    with pytest.raises(ValueError, match=f'KIDMetric compares.*{command}'):
        validator(tmp_path, LENGTH, metrics=metrics(path))
    write_reference(path, 9)
    told = 'the reference has 9 images, and subset_size=10 needs 10'
    with pytest.raises(ValueError, match=told):
        validator(tmp_path, LENGTH, metrics=metrics(path))
    write_reference(path, 40)
    with pytest.raises(ValueError, match='there are 8 images, and subset_size=10'):
        validator(tmp_path, LENGTH, metrics=metrics(path, number=8))
    with pytest.raises(ValueError, match='number must be 1 at least, got 0'):
        KIDMetric(reference='x', number=0)


def test_too_few_images_that_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / 'reference.safetensors'
    write_reference(path, 40)
    runner = validator(tmp_path, 12, broken=(1, 2, 3), metrics=metrics(path))
    with pytest.raises(ValueError, match='there are 9 images, and subset_size=10'):
        runner.run()


@pytest.mark.parametrize('written', [True, False])
def test_a_dry_run_compares_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    path = tmp_path / 'reference.safetensors'
    if written:
        write_reference(path, 40, features=False)
    runner = validator(tmp_path, 4, metrics=metrics(path))
    results = runner.run()
    assert list(results)[:3] == ['kid/mean', 'kid/std', 'kid/standard_error']
    assert len(results) == 8
    assert all(value != value for value in results.values())
    assert runner.protocols()['kid']['features'] == 4
