"""The LPIPS metric against the network itself and the reference's numbers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.golden_cases import cases
from tests.metrics.test_image import make_batch
from tests.models.losses.test_perceptual import recipe
from tests.ranks import run_ranks
from vq import distributed
from vq.images import normalize, to_uint8
from vq.metrics import LPIPSMetric
from vq.models.losses import LPIPS
from vq.registry import METRICS

IMAGES = 5
RUNNER: Any = None  # the metric asks nothing of it


@pytest.fixture(autouse=True)
def random_trunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be no file: a dry run goes on with the random trunk."""
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    monkeypatch.setenv('DRY_RUN', 'True')


def pictures() -> tuple[Tensor, Tensor]:
    """Return originals, uint8, and outputs of a decoder, some beyond [-1, 1]."""
    generator = torch.Generator().manual_seed(0)
    original = torch.randint(256, (IMAGES, 3, 16, 16), generator=generator)
    noise = torch.randn(original.shape, generator=generator)
    return original.to(torch.uint8), original / 127.5 - 1 + 0.3 * noise


def direct(output: Tensor, image: Tensor) -> float:
    network = LPIPS(trunk='random')
    network.load_pretrained()
    return float(network(output, image).double().mean())


@pytest.mark.parametrize('quantize', [False, True])
def test_equals_the_network(quantize: bool) -> None:
    original, output = pictures()
    seen = normalize(to_uint8(output)) if quantize else output
    metric = METRICS.build(dict(type='LPIPSMetric', quantize=quantize))
    metric.prepare(RUNNER)
    metric.update(*make_batch(original, output))
    expected = direct(seen, normalize(original))
    assert metric.compute() == pytest.approx(expected, rel=1e-6)
    metric.reset()
    with pytest.raises(ValueError, match='LPIPSMetric saw no image'):
        metric.compute()


def test_any_batches_give_the_same() -> None:
    original, output = pictures()
    metric = LPIPSMetric()
    metric.prepare(RUNNER)
    for size in (1, 2, IMAGES):
        metric.reset()
        for parts in zip(original.split(size), output.split(size), strict=True):
            metric.update(*make_batch(*parts))
        expected = direct(output, normalize(original))
        assert metric.compute() == pytest.approx(expected, rel=1e-6)


def on_rank() -> float | dict[str, float]:
    """Measure this rank's share, every world-size-th picture."""
    original, output = (
        t[distributed.rank() :: distributed.world_size()] for t in pictures()
    )
    metric = LPIPSMetric()
    metric.lpips.load_heads()
    metric.lpips.randomize_trunk()
    metric.update(*make_batch(original, output))
    return metric.compute()


def test_ranks_get_the_numbers_of_one_process() -> None:
    alone = on_rank()
    assert run_ranks(on_rank, 2) == pytest.approx([alone] * 2, rel=1e-6)


@cases('09a_')
def test_equals_the_reference(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    metric = LPIPSMetric()
    metric.prepare(RUNNER)
    metric.lpips.load_trunk(recipe(0))
    batch, reconstruction = make_batch(case['in/image'], case['in/pred_image_m11'])
    # One golden image is no uint8 picture: it is taken as it is.
    batch = SimpleNamespace(
        original_image=batch.original_image, image=case['in/image_m11']
    )
    metric.update(batch, reconstruction)  # type: ignore[arg-type]
    expected = case['out/lpips/none_m11'].mean().item()
    assert metric.compute() == pytest.approx(expected, abs=1e-5)


@cases('09a_')
def test_gradient_equals_the_reference(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    network = LPIPS()
    network.load_heads()
    network.load_trunk(recipe(0))
    output = case['in/pred_image_m11'].requires_grad_()
    distances = network(output, case['in/image_m11'])
    assert distances.tolist() == pytest.approx(
        case['out/lpips/none_m11'].flatten().tolist(), abs=1e-5
    )
    distances.mean().backward()
    expected = case['out/lpips/grad_pred_of_mean']
    assert output.grad is not None
    assert (output.grad - expected).abs().max() < 1e-2 * expected.abs().max()


def test_without_weights_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('DRY_RUN')
    with pytest.raises(FileNotFoundError, match='prepare_checkpoints.py torchvision'):
        LPIPSMetric().prepare(RUNNER)
