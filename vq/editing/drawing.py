"""Pictures of tokens that were drawn: at random, from a prior, by a transformer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vq.editing.editor import Editor
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row
from vq.models.proposal import ProposalNetwork
from vq.models.transformers import UNKNOWN, uniforms


def drawn(
    editor: Editor,
    tokens: Tensor,
    *,
    title: str,
    settings: Mapping[str, Any],
    classes: Sequence[int] = (),
) -> Edited:
    """Show drawn tokens (n, h, w, ...), each picture under its number.

    Args:
        editor: Runs the model.
        tokens: What was drawn.
        title: How, in words.
        settings: How, for the record.
        classes: Which took turns, if any did.
    """
    names = [
        f'{i}: class {classes[i % len(classes)]}' if classes else str(i)
        for i in range(len(tokens))
    ]
    cells = [
        Cell(image=image, caption=name)
        for image, name in zip(editor.decode(tokens), names, strict=True)
    ]
    return Edited(
        rows=[Row(title=title, cells=cells)],
        tokens=dict(tokens=tokens),
        record=dict(number=len(tokens), classes=[*classes], **settings),
    )


def sampled(
    editor: Editor,
    indices: Sequence[int],
    *,
    classes: Sequence[int],
    seed: int,
    known: Tensor | None = None,
) -> Tensor:
    """Draw tokens by the transformer of a proposal network: (n, h, w, ...).

    Args:
        editor: Its model is a proposal network.
        indices: Of the n images: which random numbers of the seed they are drawn with.
        classes: Which take turns; none of an unconditional network.
        seed: Of the random numbers.
        known: Tokens of all images that are kept, -1 where one is drawn, (h, w, ...).

    Raises:
        ValueError: The model has no transformer, or not such a class, or draws another
            grid than the known one.
    """
    model = _network(editor, classes, known)
    length, groups = model.transformer.length, len(model.transformer.token_sizes)
    parts = []
    for start in range(0, len(indices), editor.batch_size):
        batch = [*indices[start : start + editor.batch_size]]
        named = [classes[i % len(classes)] if classes else 0 for i in batch]
        uniform = uniforms(seed, batch, length * groups)
        kept = None if known is None else torch.stack([known] * len(batch))
        with editor.autocast(), torch.no_grad():
            made = model.generate(
                model.condition(torch.tensor(named, device=editor.device)),
                uniform=rearrange(uniform, 'b (n g) -> b n g', g=groups).to(
                    editor.device
                ),
                known=None if kept is None else kept.to(editor.device),
            )
        parts.append(made.quantized.tokens.cpu())
    return torch.cat(parts)


def _network(
    editor: Editor, classes: Sequence[int], known: Tensor | None
) -> ProposalNetwork:
    """Return the model, if it can draw what is asked for."""
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
    return model


def without(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return tokens (h, w, ...) of which those of a mask (h, w) are unknown."""
    known = tokens.clone()
    known[mask] = UNKNOWN
    return known
