"""What benchmarks/ar_train.py measures, and what it finds wrong."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SMALL = (
    '--size 16 --width 8 --dim 16 --depth 1 --heads 2 --batch 4 --images 8 --iters 2 '
    '--repeats 2'
)


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    return importlib.import_module('ar_train')


def test_both_ways_learn_the_same(benchmark: ModuleType, tmp_path: Path) -> None:
    results, written = benchmark.measure(benchmark.parse(SMALL.split()), tmp_path)
    assert results['online'].losses == results['store'].losses
    for result in results.values():
        assert len(result.losses) == 3 and len(result.seconds) == 4  # of two turns
    assert written > 0


def test_the_table_and_what_is_wrong(benchmark: ModuleType) -> None:
    online = benchmark.Result([0.4, 0.2, 9.0], [3.0])
    store = benchmark.Result([0.1, 0.1, 0.2], [3.0])
    rows = benchmark.table(dict(online=online, store=store), 1024).splitlines()
    assert [row.split() for row in rows[1:]] == [
        ['online', '2,560', '1.00', '0.4000'],
        ['store', '10,240', '4.00', '0.1000'],
    ]
    assert benchmark.problems(dict(online=online, store=store)) == []
    slow = benchmark.Result([0.5], [3.1])
    found = benchmark.problems(dict(online=online, store=slow))
    assert ['losses differ' in found[0], '0.80 times' in found[1]] == [True, True]
