"""Nearest code: against brute force, in tiles, with ties, under autocast, on GPUs."""

import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vq.models.quantizers.search import CACHE_BYTES, nearest_code

DISTANCES = ['l2', 'cosine', 'inner']
BUDGETS = [1, 10_000, 60_000, 300_000]  # bytes; from 32 rows and 64 codes on
ROOT = Path(__file__).parents[3]


def brute_force(rows, codebook, distance):
    """Compare every pair in float64 numpy."""
    rows, codebook = rows.double().numpy(), codebook.double().numpy()
    if distance == 'inner':
        return (rows @ codebook.T).argmax(1)
    if distance == 'cosine':
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        codebook = codebook / np.linalg.norm(codebook, axis=1, keepdims=True)
    return np.linalg.norm(rows[:, None] - codebook[None], axis=-1).argmin(1)


@pytest.mark.parametrize('distance', DISTANCES)
@pytest.mark.parametrize(
    ('number', 'size', 'dim'),
    [(300, 50, 6), (1, 1, 1), (31, 65, 3), (33, 700, 40), (64, 129, 256)],
)
def test_equals_brute_force(distance, number, size, dim):
    rows, codebook = torch.randn(number, dim), torch.randn(size, dim)
    expected = brute_force(rows, codebook, distance)
    for budget in [*BUDGETS, 2**40]:
        tokens = nearest_code(rows, codebook, distance=distance, budget_bytes=budget)
        assert tokens.dtype == torch.int64
        assert np.array_equal(tokens.numpy(), expected)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('dim', [2, 8, 768])
@pytest.mark.parametrize('distance', DISTANCES)
def test_the_lowest_token_wins_a_tie(distance, dim, dtype):
    rows, codes = torch.randn(100, dim, dtype=dtype), torch.randn(90, dim, dtype=dtype)
    expected = torch.from_numpy(brute_force(rows, codes, distance))
    codes = torch.cat([codes] * 5)  # 450: one more copy each in other tiles and groups
    for budget in [*BUDGETS, 2**30]:
        tokens = nearest_code(rows, codes, distance=distance, budget_bytes=budget)
        assert torch.equal(tokens, expected)
    equal = codes[:1].expand(450, -1)
    assert not nearest_code(rows, equal, distance=distance, budget_bytes=1).any()


@pytest.mark.parametrize('distance', DISTANCES)
def test_well_separated_codes_are_found_whatever_the_budget(distance):
    codebook = torch.eye(300)[torch.randperm(300)]
    expected = torch.randint(0, 300, (500,))
    rows = codebook[expected] + 0.01 * torch.randn(500, 300)
    for budget in [*BUDGETS, 2**40]:
        tokens = nearest_code(rows, codebook, distance=distance, budget_bytes=budget)
        assert torch.equal(tokens, expected)


class Largest(TorchDispatchMode):
    """Sees the largest tensor that is made inside it, in elements."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for each in output if isinstance(output, tuple | list) else [output]:
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.numel())
        return output


@pytest.mark.parametrize('budget', [1, 2**16, 2**40])
@pytest.mark.parametrize(
    ('number', 'size'), [(20_000, 16), (16, 20_000), (3_000, 3_000)]
)
def test_no_tensor_is_larger_than_the_budget_and_the_inputs(number, size, budget):
    rows, codebook = torch.randn(number, 3), torch.randn(size, 3)
    with Largest() as largest:
        nearest_code(rows, codebook, budget_bytes=budget)
    least = 32 * 64  # scores of the smallest tile
    scores = max(least, min(budget, CACHE_BYTES * torch.get_num_threads()) // 4)
    of_inputs = max(number * 3, 2 * size * 4)
    assert largest.elements <= max(scores, of_inputs) < number * size


def test_codes_closer_than_bfloat16_resolves():
    codebook = torch.linspace(1, 1.01, 50)[:, None].expand(-1, 4).contiguous()
    rows = codebook + 1e-6
    with torch.autocast('cpu', torch.bfloat16):
        tokens = nearest_code(rows, codebook)
    assert torch.equal(tokens, torch.arange(50))


def test_float64_stays_float64():
    codebook = torch.linspace(1, 1 + 1e-9, 50, dtype=torch.float64)[:, None]
    assert torch.equal(nearest_code(codebook, codebook), torch.arange(50))
    mixed = nearest_code(torch.ones(1, 1), codebook)
    assert mixed.tolist() == [0]


def test_half_precision_rows_and_no_gradient():
    rows, codebook = torch.randn(20, 4), torch.randn(8, 4, requires_grad=True)
    tokens = nearest_code(rows.bfloat16(), codebook)
    expected = nearest_code(rows.bfloat16().float(), codebook)
    assert torch.equal(tokens, expected) and not tokens.requires_grad


@pytest.mark.parametrize('distance', DISTANCES)
@pytest.mark.parametrize('size', [1, 63, 200])
def test_rows_that_are_not_finite_get_a_token_and_disturb_no_other(distance, size):
    rows, codebook = torch.randn(40, 4), torch.randn(size, 4)
    expected = nearest_code(rows, codebook, distance=distance)
    wrong = torch.tensor([0, 7, 39])
    rows[wrong, 0] = torch.tensor([math.nan, math.inf, -math.inf])
    tokens = nearest_code(rows, codebook, distance=distance, budget_bytes=1)
    assert tokens.min() >= 0 and tokens.max() < size
    keep = torch.ones(40, dtype=torch.bool).index_fill(0, wrong, False)
    assert torch.equal(tokens[keep], expected[keep])


def test_no_rows_have_no_tokens():
    tokens = nearest_code(torch.empty(0, 3), torch.randn(5, 3))
    assert tokens.shape == (0,) and tokens.dtype == torch.int64


def test_a_compiled_caller_gets_the_same_tokens():
    rows, codebook = torch.randn(50, 4), torch.randn(9, 4)
    compiled = torch.compile(lambda x: nearest_code(2 * x, codebook), backend='eager')
    assert torch.equal(compiled(rows), nearest_code(2 * rows, codebook))


def test_unknown_distance():
    with pytest.raises(ValueError, match="'manhattan'"):
        nearest_code(torch.ones(1, 2), torch.ones(1, 2), distance='manhattan')


@pytest.mark.parametrize('shapes', [((4, 1), (5, 3)), ((4, 3), (0, 3)), ((3,), (5, 3))])
def test_shapes_that_do_not_fit(shapes):
    rows, codebook = map(torch.ones, shapes)
    with pytest.raises(ValueError, match='k >= 1'):
        nearest_code(rows, codebook)


# Prints nothing, fails if a kernel and the plain search differ.
COMPARE = """
import sys
import torch
from vq.models.quantizers.search import tiled_search
from vq.models.quantizers.search_triton import fused_search

device = sys.argv[1]
torch.manual_seed(0)
for n, k, d in ((1, 1, 1), (5, 3, 2), (64, 64, 32), (70, 201, 33), (130, 500, 8)):
    for copies in (1, 2):
        rows = torch.randn(n, d, device=device)
        table = torch.randn(k, d + 1, device=device).repeat(copies, 1)
        centre = torch.randn(d, device=device)
        rows[n // 2, 0] = float('nan') if n > 64 else 0
        for each in (rows, rows.bfloat16()):
            fused = fused_search(each, centre, table)
            plain = tiled_search(each, centre, table, budget_bytes=2**20)
            finite = each.isfinite().all(-1)
            assert fused.dtype == plain.dtype and fused.shape == plain.shape
            assert torch.equal(fused[finite], plain[finite]), (n, k, d, copies)
            assert 0 <= fused.min() and fused.max() < k * copies
assert fused_search(rows[:0], centre, table).shape == (0,)
"""


@pytest.mark.skipif(find_spec('triton') is None, reason='Triton is not installed')
@pytest.mark.parametrize(
    'device',
    ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)],
    ids=['interpreted', 'gpu'],
)
def test_the_kernel_finds_what_the_plain_search_finds(device):
    interpreted = dict(TRITON_INTERPRET='1') if device == 'cpu' else {}
    result = subprocess.run(
        [sys.executable, '-c', COMPARE, device],
        env=os.environ | interpreted,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.gpu
@pytest.mark.parametrize('distance', DISTANCES)
def test_a_gpu_finds_what_the_cpu_finds(distance):
    rows, codebook = torch.randn(3000, 8), torch.randn(5000, 8)
    expected = nearest_code(rows.double(), codebook.double(), distance=distance)
    tokens = nearest_code(rows.cuda(), codebook.cuda(), distance=distance).cpu()
    assert (tokens == expected).float().mean() > 0.999  # but for rounding


@pytest.mark.parametrize('dim', [8, 80])
@pytest.mark.parametrize('threads', [2, 3])
def test_threads_change_no_token_and_keep_their_number(threads, dim):
    rows, codebook = torch.randn(600, dim), torch.randn(3000, dim)
    expected = nearest_code(rows, codebook)
    torch.set_num_threads(threads)
    assert torch.equal(nearest_code(rows, codebook), expected)
    assert torch.get_num_threads() == threads
    with pytest.raises(ValueError, match="'manhattan'"):
        nearest_code(rows, codebook, distance='manhattan')
    assert torch.get_num_threads() == threads
