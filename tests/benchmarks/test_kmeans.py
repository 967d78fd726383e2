"""What benchmarks/kmeans.py measures, and what it finds wrong."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]
SMALL = ['--rows', '400', '--dim', '4', '--centres', '8', '--batch', '100']


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    return importlib.import_module('kmeans')


def test_inertia_and_usage_are_those_of_brute_force(benchmark: ModuleType) -> None:
    rows = benchmark.features(300, 4, groups=10)
    centres = torch.cat([rows[:6], torch.full((2, 4), 20.0)])
    inertia, usage = benchmark.quality(rows, centres)
    squares = (rows[:, None] - centres).square().sum(-1).amin(1)
    assert inertia == pytest.approx(float(squares.mean()), rel=1e-5)
    assert usage == 6 / 8


def test_all_ways_are_better_than_their_start(benchmark: ModuleType) -> None:
    flags = benchmark.parse([*SMALL, '--seeds', '1'])
    rows = benchmark.features(400, 4, groups=16)
    start, _ = benchmark.quality(rows, rows[:8])
    results = benchmark.measure(rows, 8, flags)
    assert {'ours', 'scikit-learn'} <= set(results)
    for result in results.values():
        assert len(result.seconds) == len(result.inertia) == 1
        assert result.inertia[0] < start and result.start[0] < result.seconds[0]


def test_what_is_slower_or_worse_is_told(benchmark: ModuleType) -> None:
    peer = benchmark.Result([1.0, 4.0, 2.0], [0] * 3, [10.0] * 3, [1] * 3)
    good = benchmark.Result([1.0, 3.0, 2.1], [0] * 3, [10.1] * 3, [1] * 3)
    bad = benchmark.Result([1.1, 5.0, 1.0], [0] * 3, [10.3] * 3, [1] * 3)
    found = [
        list(benchmark.problems(8, {'ours': own, 'scikit-learn': peer}))
        for own in (good, bad)
    ]
    assert found[0] == []
    assert ['1.10 times' in found[1][0], '1.030 times' in found[1][1]] == [True, True]
    assert list(benchmark.problems(8, dict(ours=bad))) == []
