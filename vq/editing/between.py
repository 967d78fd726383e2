"""From one picture to another: between their latents, and between their tokens."""

import numpy as np
import torch
from torch import Tensor

from vq.editing.editor import Editor, Picture
from vq.editing.regions import first, merge, turns
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row, moving


def shares(steps: int) -> list[float]:
    """Return the share of the second picture at each step, 0 to 1.

    Raises:
        ValueError: There are fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f'a way has 2 --steps or more, its ends, got {steps}')
    return [step / (steps - 1) for step in range(steps)]


def latents_between(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return latents on the straight line between two, (steps, d, h, w).

    Args:
        start: The first, (d, h, w).
        end: The last.
        steps: How many, both ends included.
    """
    return torch.stack([torch.lerp(start, end, share) for share in shares(steps)])


def tokens_between(
    start: Tensor, end: Tensor, steps: int, *, order: str, rng: np.random.Generator
) -> Tensor:
    """Exchange more and more tokens of one picture for another's, (steps, h, w, ...).

    Args:
        start: Tokens of the first, (h, w, ...).
        end: Tokens of the last.
        steps: How many, both ends included.
        order: In which positions change, see `turns`.
        rng: Draws the random order.
    """
    places = turns((start.shape[0], start.shape[1]), order, rng)
    masks = [first(places, share) for share in shares(steps)]
    return torch.stack([merge(mask, end, start) for mask in masks])


def interpolate(
    editor: Editor,
    start: Picture,
    end: Picture,
    *,
    steps: int,
    order: str,
    seed: int,
    unquantized: bool,
) -> Edited:
    """Show the ways between two pictures, one a row.

    Args:
        editor: Runs the model.
        start: The first picture.
        end: The last.
        steps: Pictures of a way, both ends included.
        order: In which positions change in token space.
        seed: Of that order, if it is random.
        unquantized: Show latents that are not quantized, too.

    Raises:
        ValueError: The pictures differ in size.
    """
    rng = np.random.default_rng(seed)
    tokens = tokens_between(start.tokens, end.tokens, steps, order=order, rng=rng)
    both = editor.encode(torch.stack([start.image, end.image]))
    latents = latents_between(both[0], both[1], steps)
    quantized = editor.quantize(latents)
    ways = {'latents in between, quantized': editor.decode(quantized)}
    if unquantized:
        title = 'latents in between, not quantized'
        ways[title] = editor.decode_unquantized(latents)
    words = dict(random='in random order', rows='row by row', centre='from the centre')
    ways[f'tokens exchanged {words[order]}'] = editor.decode(tokens)
    rows = [_row(title, way, end.name) for title, way in ways.items()]
    given = [Cell(image=one.image, caption=one.name) for one in (start, end)]
    return Edited(
        rows=[Row(title='pictures', cells=given), *rows],
        frames=moving(rows),
        tokens=dict(
            before=torch.stack([start.tokens, end.tokens]),
            after_latent=quantized,
            after_token=tokens,
        ),
        record=dict(steps=steps, order=order, seed=seed, shares=shares(steps)),
    )


def _row(title: str, way: Tensor, name: str) -> Row:
    """Return the pictures of a way, each with its share of the one of that name."""
    cells = [
        Cell(image=image, caption=f'{share:.0%} {name}')
        for image, share in zip(way, shares(len(way)), strict=True)
    ]
    return Row(title=title, cells=cells)
