"""How a family is set up for a test, and how far its latents are from a border."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.models.quantizers import margins


def begin(module: Any) -> None:
    """Let a first batch be seen, which makes the codebook."""
    module.train()(torch.randn(8, module.in_dim, 3, 5))


def to_sphere(module: Any) -> None:
    """Make all codes of one length: each has its largest inner product with itself."""
    module.codebook.data = functional.normalize(module.codebook.data, dim=-1)


def score_by_distance(module: Any) -> None:
    """Give a GumbelQuantizer the scores with which each code is its own likeliest."""
    codebook = module.codebook.detach()
    module.proj.weight.data = codebook[:, :, None, None].clone()
    module.proj.bias.data = -codebook.square().sum(-1) / 2


def shrink_by_depth(module: Any) -> None:
    """Let all codes of a depth be smaller than half the distances of those before."""
    for depth, quantizer in enumerate(module.quantizers):
        quantizer.codebook.data *= 64.0**-depth


def gumbel_margin(module: Any, latent: Tensor) -> Tensor:
    scale = module.proj.weight.abs().max() * latent.abs().sum(1) + 1
    return margins.of_scores(module.logits(latent), scale)


def sign_margin(module: Any, latent: Tensor) -> Tensor:
    return margins.of_borders(latent, torch.zeros_like(latent))


def level_margin(module: Any, latent: Tensor) -> Tensor:
    levels = module.project(latent) * (module.levels // 2)
    return margins.of_borders(levels, levels.floor() + 0.5)


def gumbels_margin(module: Any, latent: Tensor) -> Tensor:
    pairs = zip(module.quantizers, latent.chunk(len(module.quantizers), 1), strict=True)
    return torch.stack([gumbel_margin(*pair) for pair in pairs]).amin(0)


def before_tanh(module: Any, latent: Tensor) -> Tensor:
    """Return what FSQuantizer's tanh, shift and scale map to these codes."""
    low, high = (module.project(torch.full_like(latent, x)) for x in (-10.0, 10.0))
    zero = module.project(torch.zeros_like(latent))
    place = ((2 * latent - low - high) / (high - low)).clamp(-0.999999, 0.999999)
    offset = (2 * zero - low - high) / (high - low)
    return place.atanh() - offset.atanh()
