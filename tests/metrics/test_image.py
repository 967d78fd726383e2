"""Image metrics equal scikit-image and numpy, over any batches and ranks."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from tests.ranks import run_ranks
from vq import distributed
from vq.images import to_uint8
from vq.metrics import L1, MSE, PSNR, SSIM
from vq.metrics.base import Metric
from vq.registry import METRICS
from vq.types import Batch, Quantized, Reconstruction

IMAGES = 7  # neither a multiple of 2 nor of 3 ranks


def pictures(images: int = IMAGES) -> tuple[Tensor, Tensor]:
    """Return originals, uint8, and outputs of a decoder, some beyond [-1, 1]."""
    generator = torch.Generator().manual_seed(3)
    original = torch.randint(256, (images, 3, 16, 19), generator=generator)
    smooth = original.float().cumsum(-1) / torch.arange(1, 20)
    noise = torch.randn(smooth.shape, generator=generator)
    return smooth.to(torch.uint8), smooth / 127.5 - 1 + 0.2 * noise


def make_batch(original: Tensor, output: Tensor) -> tuple[Batch, Reconstruction]:
    """Put tensors into the types that a metric takes."""
    zeros = torch.zeros(len(original), dtype=torch.int64)
    batch = Batch(original, zeros, zeros, ['x.png'] * len(original))
    quantized = Quantized(torch.zeros(len(original), 4, 2, 2), zeros.view(-1, 1, 1))
    return batch, Reconstruction(output, quantized)


def measure(metric: Metric, batch_size: int = IMAGES) -> float:
    """Measure this rank's share, every world-size-th picture."""
    step, first = distributed.world_size(), distributed.rank()
    original, output = (tensor[first::step] for tensor in pictures())
    for parts in zip(original.split(batch_size), output.split(batch_size), strict=True):
        metric.update(*make_batch(*parts))
    value = metric.compute()
    assert isinstance(value, float)
    return value


def formula(name: str, x: np.ndarray, y: np.ndarray, **kwargs: object) -> float:
    """Compare two pictures (3, h, w) in [0, 1] without vq.metrics."""
    if name == 'L1':
        return float(np.abs(x - y).mean())
    if name == 'MSE':
        return float(((x - y) ** 2).mean())
    if name == 'PSNR':
        return float(peak_signal_noise_ratio(x, y, data_range=1))
    return float(structural_similarity(x, y, channel_axis=0, data_range=1, **kwargs))


def expected(name: str, **kwargs: object) -> float:
    """Return the mean over images of a formula."""
    pairs = [
        (
            x.numpy().astype(np.float64) / 255,
            to_uint8(y).numpy().astype(np.float64) / 255,
        )
        for x, y in zip(*pictures(), strict=True)
    ]
    return float(np.mean([formula(name, x, y, **kwargs) for x, y in pairs]))


@pytest.mark.parametrize('batch_size', [1, 3, IMAGES])
@pytest.mark.parametrize('name', ['L1', 'MSE', 'PSNR', 'SSIM'])
def test_value_equals_the_formula_per_image(name: str, batch_size: int) -> None:
    metric = METRICS.build({'type': name})
    assert measure(metric, batch_size) == pytest.approx(expected(name), abs=1e-12)


def on_rank() -> list[float]:
    """Measure all four on this rank's share."""
    return [measure(metric, 2) for metric in (L1(), MSE(), PSNR(), SSIM())]


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_ranks_get_the_numbers_of_one_process(world_size: int) -> None:
    alone = on_rank()
    for values in run_ranks(on_rank, world_size):
        assert values == pytest.approx(alone, rel=1e-12, abs=0)


def one_image() -> float | dict[str, float]:
    """Let rank 0 alone see a picture."""
    metric = PSNR()
    if distributed.is_main():
        metric.update(*make_batch(*pictures(1)))
    return metric.compute()


def test_a_rank_without_images_joins_in() -> None:
    assert run_ranks(one_image, 2) == pytest.approx([one_image()] * 2, rel=1e-12)


def test_a_perfect_reconstruction() -> None:
    original, _ = pictures()
    batch, reconstruction = make_batch(original, original.float() / 127.5 - 1)
    values = {}
    for metric in (L1(), MSE(), PSNR(), SSIM()):
        metric.update(batch, reconstruction)
        values[type(metric).__name__] = metric.compute()
    assert values == {'L1': 0, 'MSE': 0, 'PSNR': 100, 'SSIM': pytest.approx(1)}


def test_a_batch_of_tokens_has_nothing_to_compare_with() -> None:
    batch, output = make_batch(*pictures())
    batch.original_image = torch.empty(len(batch), 3, 0, 0, dtype=torch.uint8)
    with pytest.raises(ValueError, match='PSNR compares .* x.png has tokens alone'):
        PSNR().update(batch, output)


def test_reset_forgets() -> None:
    metric = PSNR()
    measure(metric)
    metric.reset()
    with pytest.raises(ValueError, match='PSNR saw no image'):
        metric.compute()
    assert measure(metric) == measure(PSNR())


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    batch, reconstruction = make_batch(*pictures())
    moved = Reconstruction(reconstruction.image.cuda(), reconstruction.quantized)
    for metric in (L1(), MSE(), PSNR(), SSIM(), SSIM(window='gaussian')):
        metric.update(batch, reconstruction)
        value = metric.compute()
        metric.reset()
        metric.update(batch.to('cuda'), moved)
        assert metric.device.type == 'cuda'
        assert metric.compute() == pytest.approx(value, rel=1e-12)
