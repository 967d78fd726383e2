"""The ways that benchmarks/train_step.py compares do the work that they say."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    yield importlib.import_module('train_step')
    patch.stopall()  # a way of the benchmark has a process of its own


def settings(benchmark: ModuleType) -> object:
    """Return those of a network as small as the benchmark has one."""
    return benchmark.Settings(
        size=32, batch=1, width=32, device='cpu', threads=1, taming=None
    )


def test_operations_equal_the_formula(benchmark: ModuleType) -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    images = torch.rand(2, 3, 5, 7, requires_grad=True)
    forward = 2 * (3 * 9) * 8 * (2 * 5 * 7)  # multiplications and additions
    with benchmark.Flops() as flops:
        loss = conv(images).sum()
        assert flops.total == forward
        # By the image and by the weight, as the adaptive weight takes gradients too.
        torch.autograd.grad(loss, [images, conv.weight])
    assert flops.total == 3 * forward


@pytest.mark.parametrize(
    ('name', 'autoencoder', 'trunk'), [('ours', 1, 2), ('taming-like', 2, 4)]
)
def test_passes_through_the_parts(
    benchmark: ModuleType, name: str, autoencoder: int, trunk: int
) -> None:
    way = benchmark.WAYS[name](settings(benchmark))
    result = benchmark.first_step(way, 1)
    assert result.passes == dict(
        encoder=autoencoder, decoder=autoencoder, trunk=trunk, discriminator=3
    )


def test_the_fastest_iterations_are_compared(benchmark: ModuleType) -> None:
    own = benchmark.Result(1.0, {}, seconds=[3.0, 2.0, 4.0])
    other = benchmark.Result(1.0, {}, seconds=[3.0, 9.0, 8.0])
    assert benchmark.ratio(other, own) == 1.5


def test_a_folder_without_taming_is_named(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        benchmark.parse(['--taming', str(tmp_path)])
    assert (
        f'{tmp_path}/taming/models/vqgan.py does not exist' in capsys.readouterr().err
    )
