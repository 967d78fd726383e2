"""Pictures of tokens that were drawn: at random, from a prior, by a transformer."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from vq.editing.editor import Editor
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row
from vq.models.proposal import ProposalNetwork
from vq.models.transformers import UNKNOWN, uniforms


def drawn(editor: Editor, tokens: Tensor, *, title: str, seed: int) -> Edited:
    """Show drawn tokens (n, h, w, ...), each picture under its number."""
    pictures = editor.decode(tokens)
    cells = [Cell(image=image, caption=str(i)) for i, image in enumerate(pictures)]
    return Edited(
        rows=[Row(title=title, cells=cells)],
        tokens=dict(tokens=tokens),
        record=dict(number=len(tokens), seed=seed),
    )


def sampled(
    editor: Editor,
    number: int,
    *,
    classes: Sequence[int],
    seed: int,
    known: Tensor | None = None,
) -> Tensor:
    """Draw tokens by the transformer of a proposal network: (number, h, w, ...).

    Args:
        editor: Its model is a proposal network.
        number: How many images.
        classes: Which take turns; none of an unconditional network.
        seed: Of the random numbers; those of image i depend on it and i alone.
        known: Tokens of all images that are kept, -1 where one is drawn, (h, w, ...).

    Raises:
        ValueError: The model has no transformer, or not such a class, or draws another
            grid than the known one.
    """
    model = editor.model
    if not isinstance(model, ProposalNetwork):
        raise ValueError(
            f'a {type(model).__name__} has no transformer that draws tokens: give the '
            'config of a ProposalNetwork, such as those of configs/ar'
        )
    if known is not None and tuple(known.shape[:2]) != model.token_grid:
        height, width = known.shape[:2]
        raise ValueError(
            f'the picture has {height} x {width} tokens, the network draws '
            f'{model.token_grid[0]} x {model.token_grid[1]}: leave --no-crop out'
        )
    if model.classes and not classes:
        raise ValueError('which class are the pictures of? Give --classes CLASS')
    for category in classes:
        if not 0 <= category < max(1, model.classes):
            names = f'0 to {model.classes - 1}' if model.classes else 'no classes'
            raise ValueError(f'there is no class {category}: the network has {names}')
    network = model.transformer
    shape = (network.length, len(network.token_sizes))
    parts = []
    for start in range(0, number, editor.batch_size):
        indices = [*range(start, min(start + editor.batch_size, number))]
        named = torch.tensor(
            [classes[i % len(classes)] if classes else 0 for i in indices]
        )
        uniform = rearrange(
            uniforms(seed, indices, shape[0] * shape[1]), 'b (n g) -> b n g', g=shape[1]
        )
        kept = None
        if known is not None:
            kept = torch.stack([known] * len(indices)).to(editor.device)
        with editor.autocast(), torch.no_grad():
            made = model.generate(
                model.condition(named.to(editor.device)),
                uniform=uniform.to(editor.device),
                known=kept,
            )
        parts.append(made.quantized.tokens.cpu())
    return torch.cat(parts)


def without(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return tokens (h, w, ...) of which those of a mask (h, w) are unknown."""
    known = tokens.clone()
    known[mask] = UNKNOWN
    return known
