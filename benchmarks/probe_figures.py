"""What benchmarks/probe.py reads from a trained system."""

from typing import Any

import torch
from einops import reduce
from torch import Tensor
from torch.nn import functional

from vq.config import load
from vq.datasets.loader import val_loader
from vq.metrics import PSNR, AccuracyMetric, CodebookMetric, CosineLossMetric
from vq.registry import DATASETS
from vq.types import Batch

DEMO = 'configs/demo/vqgan_digits.py'
CODES = 256
Result = dict[str, Any]


def everything(half: str) -> Batch:
    """Return the demo's training or held-out digits, as one batch."""
    dataset = DATASETS.build(getattr(load(DEMO), half).dataset)
    length = len(dataset)
    loader = val_loader(dataset, batch_size=length, num_workers=0, block_size=length)
    return next(iter(loader))


def regression(seen: Tensor, classes: Tensor, held_out: Tensor, right: Tensor) -> float:
    """Return the held-out top-1 of an exact logistic regression on features (n, d)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    model.fit(seen.numpy(), classes.numpy())
    return float(model.score(held_out.numpy(), right.numpy()))


@torch.no_grad()
def features(model: Any, images: Batch) -> dict[str, Tensor]:
    """Return what a system makes of images on the way, averaged over positions.

    Returns:
        `teacher`, where there is one, `latents` on the sphere, their `tokens` as codes,
        and the frequency of each of the `codes`; (n, d) each.
    """
    found: dict[str, list[Tensor]] = {}
    for part in images.chunk(-(-len(images) // 128)):
        tokenizer = model.tokenizer
        latent = tokenizer.quantizer.project(tokenizer.encode(part.image))
        tokens = tokenizer.quantizer.latent_to_tokens(latent)
        maps = dict(latents=latent, tokens=tokenizer.tokens_to_latent(tokens))
        if hasattr(model, 'teacher'):
            maps['teacher'] = model.teacher(part.original_image)
        means = {k: reduce(v, 'n d h w -> n d', 'mean') for k, v in maps.items()}
        one_hot = functional.one_hot(tokens, CODES).float()
        means['codes'] = reduce(one_hot, 'n h w k -> n k', 'mean')
        for name, value in means.items():
            found.setdefault(name, []).append(value)
    return {name: torch.cat(values) for name, values in found.items()}


@torch.no_grad()
def held_out_figures(model: Any, probe: Any, images: Batch) -> Result:
    """Return our probe's top-1, and how the system does its own task."""
    task = CosineLossMetric() if hasattr(model, 'teacher') else PSNR()
    accuracy, codebook = AccuracyMetric(top_k=(1,)), CodebookMetric(codebook_size=CODES)
    output, classification = model.val_step(images), probe.val_step(images)
    task.update(images, output)
    accuracy.update(images, classification)
    codebook.update(images, output)
    found = codebook.compute()
    return dict(
        probe=accuracy.compute()['top1'],
        task=task.compute(),
        usage=found['usage'],
        perplexity=found['perplexity'],
    )
