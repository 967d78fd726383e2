"""A quantizer's losses in validation are those of all latents at once."""

import pytest
import torch

from tests.models.tiny import batch
from vq.metrics import QuantizerLossMetric
from vq.models.quantizers import VectorQuantizer
from vq.types import Reconstruction

IMAGES = 6


@pytest.mark.parametrize('cuts', [[6], [1, 5], [2, 3, 1]])
def test_it_is_the_mean_squared_distance_weighted(cuts: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(IMAGES, 4, 3, 5, generator=generator)
    quantizer = VectorQuantizer(codebook_size=7, dim=4, commitment_weight=0.5).eval()
    metric = QuantizerLossMetric()
    for part in latent.split(cuts):
        with torch.no_grad():
            quantized = quantizer(part)
        metric.update(batch(len(part)), Reconstruction(part, quantized))
    rows = latent.movedim(1, -1).double()
    codes = quantizer.codebook.detach().double()
    nearest = (rows.unsqueeze(-2) - codes).square().mean(-1).amin(-1)
    assert metric.compute() == pytest.approx(1.5 * nearest.mean().item(), rel=1e-5)


def test_without_losses_it_is_zero() -> None:
    quantizer = VectorQuantizer(
        codebook_size=7, dim=4, codebook_weight=0.0, commitment_weight=0.0
    )
    metric, latent = QuantizerLossMetric(), torch.ones(2, 4, 3, 5)
    quantized = quantizer.eval()(latent)
    quantized.losses.clear()
    metric.update(batch(2), Reconstruction(latent, quantized))
    assert metric.compute() == 0.0
