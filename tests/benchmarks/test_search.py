"""The ways that benchmarks/search.py compares find the same, and what it writes."""

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    return importlib.import_module('search')


@pytest.mark.parametrize('name', ['ours', 'dense', 'cdist', 'vector-quantize-pytorch'])
def test_all_ways_find_the_nearest_code(benchmark: ModuleType, name: str) -> None:
    if name == benchmark.PEER and find_spec('vector_quantize_pytorch') is None:
        pytest.skip('the optional peer is not installed')
    rows, codebook = torch.randn(40, 4), torch.randn(30, 4)
    nearest = (rows[:, None] - codebook[None]).norm(dim=-1).argmin(1)
    assert torch.equal(benchmark.WAYS[name](rows, codebook)(), nearest)


def test_what_needs_too_much_memory_is_left_out(benchmark: ModuleType) -> None:
    case = benchmark.Case(latents=65536, codes=262144, dim=8)
    assert case.matrix == 64 * 2**30
    assert benchmark.left_out('cdist', case, limit=63) == 'needs 64 GiB'
    assert benchmark.left_out('cdist', case, limit=64) == ''
    assert benchmark.left_out('dense', case, limit=64) == 'needs 192 GiB'
    assert benchmark.left_out('ours', case, limit=1) == ''


def test_ratios_are_those_of_turns(benchmark: ModuleType) -> None:
    own = benchmark.Result([1.0, 2.0, 10.0])
    assert benchmark.ratio(benchmark.Result([3.0, 4.0, 50.0]), own) == 3


def test_a_quick_run_writes_a_table_and_its_figures(tmp_path: Path) -> None:
    file = tmp_path / 'figures.json'
    command = ['benchmarks/search.py', '--quick', '--seconds', '0.1', '--threads', '1']
    result = subprocess.run(
        [sys.executable, *command, '--memory', '0.0002', '--json', str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    device, header, rule, *lines = result.stdout.splitlines()
    cells = [line.count('|') for line in (header, rule, *lines)]
    assert '1 threads' in device and len(set(cells)) == 1
    assert [line.split(' | ')[1] for line in lines] == ['128', '1,024']
    assert 'needs 0.000732 GiB' in lines[1]  # three matrices of 64 x 1024 float32
    assert result.stderr.splitlines()[-1].endswith('about 0 left')
    ours = [case['ways']['ours'] for case in json.loads(file.read_text())['cases']]
    assert all(way['peak'] >= 0 and min(way['seconds']) > 0 for way in ours)
