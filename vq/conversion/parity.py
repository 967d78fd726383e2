"""Whether weights are a config's: loaded strictly, counted, and run once."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from vq.checkpoints import check_fit, only, state_hash
from vq.checkpoints.files import CheckpointError
from vq.conversion.structure import without_losses
from vq.models.reconstructor import Reconstructor
from vq.models.tokenizer import ImageTokenizer
from vq.models.transformers import TokenTransformer
from vq.registry import MODELS

SIDE = 128  # pixels of the pattern, or as many as the network demands


def report(
    model: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    file: Path,
    *,
    parts: Collection[str] = (),
) -> str:
    """Load weights strictly into a new model and say how they fit, a line each.

    Args:
        model: Config of the model. Its losses are not built: they have no weights.
        weights: By our names.
        file: Where they come from.
        parts: Names of the only parts that they are of; none means all.

    Raises:
        CheckpointError: A weight is missing, unexpected or of another shape, or the
            network computes something that is not finite.
    """
    network: nn.Module = MODELS.build(without_losses(model))
    check_fit(network, weights, file, parts=parts)
    network.load_state_dict(weights, strict=not parts)
    network.eval()
    state = network.state_dict()
    if parts:
        state = only(state, parts)
    groups: dict[str, list[Tensor]] = {}
    for key, value in state.items():
        groups.setdefault(_part(key), []).append(value)
    rows = [f'{name}: {_numbers(tensors)}' for name, tensors in groups.items()]
    lines = [
        f'loaded {len(state)}, missing 0, unexpected 0, of another shape 0',
        *(f'  {row}' for row in rows),
        f'in all: {_numbers(list(state.values()))}',
        f'state hash {state_hash(state)}',
        *(_logits(network, file) if parts else _forward(network, file)),
    ]
    return '\n'.join(lines)


def pattern(side: int = SIDE) -> Tensor:
    """Return a picture of colour gradients under a grid, (1, 3, side, side)."""
    line = torch.linspace(-1, 1, side)
    rows, columns = torch.meshgrid(line, line, indexing='ij')
    grid = torch.sin(8 * torch.pi * rows) * torch.sin(8 * torch.pi * columns)
    return rearrange([rows, columns, grid], 'c h w -> 1 c h w')


@torch.no_grad()
def _forward(network: nn.Module, file: Path) -> list[str]:
    """Run the pattern through a network, as far as it goes."""
    tokenizer = getattr(network, 'tokenizer', None)
    if not isinstance(tokenizer, ImageTokenizer):
        return ['not run: the model has no tokenizer']
    image = pattern(getattr(tokenizer.encoder, 'image_size', SIDE))
    tokens = tokenizer.tokenize(image)
    used = f'{_different(tokens)} of {tokenizer.codebook_size} codes'
    size = 'x'.join(map(str, tokens.shape[1:]))
    lines = [f'a test pattern of {image.shape[-1]} px: {size} tokens, {used}']
    if isinstance(network, Reconstructor):
        reconstruction = network(image).image
        if not reconstruction.isfinite().all():
            raise CheckpointError(f'{file}: the reconstruction is not finite')
        low, high = reconstruction.aminmax()
        error = (reconstruction - image).square().mean()
        lines.append(
            f'its reconstruction is finite, from {low:.3f} to {high:.3f}, with a '
            f'squared error of {error:.4f}'
        )
    return lines


@torch.no_grad()
def _logits(network: nn.Module, file: Path) -> list[str]:
    """Run the transformer of a proposal network over tokens that count up."""
    transformer = network.get_submodule('transformer')
    assert isinstance(transformer, TokenTransformer)
    number = transformer.length
    rows = torch.arange(number)[None, :, None] % transformer.codes
    category = torch.tensor([transformer.null])
    (logits,) = transformer(rows, transformer.condition(category))
    if not logits.isfinite().all():
        raise CheckpointError(f'{file}: the logits are not finite')
    low, high = logits.aminmax()
    return [f'logits of {number} tokens are finite, from {low:.3f} to {high:.3f}']


def _different(tokens: Tensor) -> int:
    """Return how many codes there are among tokens (b, h, w, ...)."""
    rows = rearrange(tokens, 'b h w ... -> (b h w) (...)')
    return len(set(map(tuple, rows.tolist())))


def _part(key: str) -> str:
    steps = key.split('.')
    return '.'.join(steps[: 2 if steps[0] == 'tokenizer' else 1])


def _numbers(tensors: list[Tensor]) -> str:
    millions = sum(tensor.numel() for tensor in tensors) / 1e6
    return f'{len(tensors)} tensors, {millions:.3f} M numbers'
