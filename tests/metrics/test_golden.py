"""Metrics equal the reference platform's numbers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.golden_cases import cases
from vq.metrics.image import l1, mse, psnr
from vq.metrics.similarity import ssim, uniform_window
from vq.models.quantizers.usage import codebook_statistics


@cases('09a_')
def test_metrics_equal_the_reference(path: Path) -> None:
    case = load_file(path / 'io.safetensors')
    prediction, target = case['in/pred_image'].double(), case['in/image'].double()
    ours = {
        'l1': l1(prediction, target),
        'mse': mse(prediction, target),
        'psnr': psnr(prediction, target),
        'ssim': ssim(prediction, target, weights=uniform_window()),
    }
    for name, values in ours.items():
        theirs = case[f'out/{name}/none'].double()
        assert values.tolist() == pytest.approx(theirs.tolist(), abs=2e-6), name
    counts = torch.cat([case['in/counts'], torch.zeros(1)])  # no token without a code
    statistics = codebook_statistics(counts)
    assert statistics['usage'] == case['out/codebook_usage'].item()
    entropy = case['out/codebook_ppl'].item()  # the reference calls it perplexity
    assert statistics['entropy'] == pytest.approx(entropy, abs=1e-6)
