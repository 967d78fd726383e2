"""What the tests of all families share: builders, latents, one scalar, state."""

import copy

import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.models.quantizers import margins
from tests.models.quantizers.families import FAMILIES
from vq.models.quantizers import Quantizer
from vq.registry import MODELS
from vq.types import Quantized

BATCH, HEIGHT, WIDTH = 2, 3, 5
every_family = pytest.mark.parametrize('name', FAMILIES)


def build(name: str, *, seed: int = 0, setup: bool = True) -> Quantizer:
    """Return a quantizer of a family, drawn from `seed` and, if asked for, set up."""
    torch.manual_seed(seed)
    module: Quantizer = MODELS.build(FAMILIES[name].config)
    if setup:
        FAMILIES[name].setup(module)
    return module


def draw(module: Quantizer, *, seed: int = 1, number: int = BATCH) -> Tensor:
    """Return a latent (number, in_dim, h, w) whose values bfloat16 can hold."""
    generator = torch.Generator().manual_seed(seed)
    shape = (number, module.in_dim, HEIGHT, WIDTH)
    return torch.randn(shape, generator=generator).bfloat16().float()


def seeded(module: Quantizer, latent: Tensor) -> Quantized:
    """Quantize with the same noise at each call."""
    torch.manual_seed(5)
    result: Quantized = module(latent)
    return result


def tokens_of(module: Quantizer, latent: Tensor) -> Tensor:
    """Return a latent's tokens, with the same noise as `seeded` has."""
    torch.manual_seed(5)
    return module.latent_to_tokens(latent)


def total(result: Quantized) -> Tensor:
    """Return a scalar of all losses and of the quantized latent, a mean over images."""
    value = result.latent
    ramp = torch.linspace(-1, 1, value[0].numel(), device=value.device)
    weighted = (value * ramp.view(value[0].shape)).mean()
    return sum(result.losses.values(), start=weighted)


def state(module: Quantizer) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def different(module: Quantizer, before: dict[str, Tensor]) -> list[str]:
    """Return which parameters and buffers differ from what they were, in any bit."""
    after = module.state_dict()
    assert list(after) == list(before)
    return [key for key, value in before.items() if not after[key].equal(value)]


def sub_tokens(module: Quantizer, tokens: Tensor) -> list[tuple[Tensor, int]]:
    """Return each sub-token's tokens, (b, h, w), with its vocabulary."""
    sizes = module.token_sizes
    parts = tokens.unbind(-1) if len(sizes) > 1 else (tokens,)
    return list(zip(parts, sizes, strict=True))


def in_float64(name: str, module: Quantizer, latent: Tensor) -> tuple[Tensor, Tensor]:
    """Return exact tokens, (b, h, w, ...), and their margins, (b, h, w)."""
    module, latent = copy.deepcopy(module).double(), latent.double()
    with margins.searches() as found:
        tokens = tokens_of(module, latent)
    if (margin := FAMILIES[name].margin) is not None:
        return tokens, margin(module, latent)
    rows = torch.stack(found).amin(0)
    return tokens, rearrange(rows, '(b h w) -> b h w', b=len(latent), h=latent.shape[2])
