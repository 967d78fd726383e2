"""Tiny transformers over tokens that tell tokens apart: they begin with zeros."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vq.models.transformers import (
    GPT2,
    FactorisedHead,
    Llama,
    TokenHead,
    TokenTransformer,
    sample,
    uniforms,
)
from vq.models.transformers.blocks import CausalTransformer

GRID = (3, 4)
LENGTH = 12
CLASSES = 3
BODIES: dict[str, Any] = dict(
    row=dict(type=Llama, mlp_dim=24),
    grid=dict(type=Llama, mlp_dim=24, positions='grid', qk_norm=True),
    gpt2=dict(type=GPT2),
)


def body(kind: str = 'row', **changes: Any) -> CausalTransformer:
    """Return two blocks of 16 channels."""
    options = dict(dim=16, depth=2, heads=2, grid=GRID) | BODIES[kind] | changes
    built: CausalTransformer = options.pop('type')(**options)
    return built


def network(
    kind: str = 'row',
    sizes: Sequence[int] = (9,),
    *,
    tied: bool = False,
    classes: int = CLASSES,
    factored: bool = False,
    **changes: Any,
) -> TokenTransformer:
    """Return a network in evaluation mode, always with the same weights."""
    torch.manual_seed(0)
    inner = body(kind, **changes)
    head: nn.Module | None = None
    if not tied:
        head = (
            TokenHead(dim=16, token_sizes=sizes)
            if len(sizes) == 1
            else FactorisedHead(dim=16, token_sizes=sizes, depth=1, heads=2)
        )
    built = TokenTransformer(
        body=inner,
        head=head,
        token_sizes=sizes,
        classes=classes,
        factored=factored,
    )
    for parameter in built.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.4)
    return built.eval()


def numbers(first: int, count: int, subtokens: int = 1) -> Tensor:
    """Return the random numbers of images from `first` on, (count, n, g)."""
    drawn = uniforms(0, list(range(first, first + count)), LENGTH * subtokens)
    return drawn.view(count, LENGTH, subtokens)


def drawn(net: TokenTransformer, count: int = 5, **options: Any) -> Tensor:
    """Sample images of classes 0, 1, 2, 0 ...: (count, n, g)."""
    category = torch.arange(count, device=net.starts.device) % max(1, net.classes)
    subtokens = len(net.token_sizes)
    options = dict(uniform=numbers(0, count, subtokens)) | options
    return sample(net, net.condition(category), **options)
