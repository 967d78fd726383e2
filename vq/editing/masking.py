"""Masks: tokens of a picture are lost, and others take their places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vq.editing import maps
from vq.editing.codes import commonest, parse_code, token, told
from vq.editing.drawing import sampled, without
from vq.editing.editor import Editor, Picture
from vq.editing.priors import random_tokens
from vq.editing.regions import first, merge, turns
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row, moving
from vq.generation.regions import Box, inside

FILLS = ('commonest', 'random', 'transformer')


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What takes the places of masked tokens.

    Attributes:
        kind: 'commonest', the commonest code of the picture; 'random', codes drawn
            from all; 'transformer', what a proposal network draws; or a code.
        classes: Of the pictures, for the transformer; they take turns.
        seed: Of random numbers.
    """

    kind: str = 'commonest'
    classes: Sequence[int] = ()
    seed: int = 0


def mask(
    editor: Editor,
    pictures: Sequence[Picture],
    *,
    shares: Sequence[float] = (),
    boxes: Sequence[Box] = (),
    order: str = 'random',
    fill: Fill,
) -> Edited:
    """Mask shares of pictures' tokens, or boxes, and fill what is lost.

    A larger share masks what a smaller one masks, and more.

    Args:
        editor: Runs the model.
        pictures: The pictures.
        shares: Of the positions, a step each.
        boxes: Instead: what is masked.
        order: In which positions are lost, see `turns`.
        fill: What takes their places.

    Raises:
        ValueError: A share, a box, the order or the fill does not suit.
    """
    if fill.classes and fill.kind != 'transformer':
        raise ValueError(
            f'--classes are for --fill transformer; --fill {fill.kind} knows none'
        )
    rows: list[Row] = []
    tokens: dict[str, Tensor] = {}
    filled: dict[str, str] = {}
    titles = [f'{share:.0%} masked' for share in shares] or ['masked']
    for index, one in enumerate(pictures):
        rng = np.random.default_rng((fill.seed, index))
        places = turns(one.grid, order, rng)
        lost = [first(places, share) for share in shares]
        lost += [inside(boxes, one.grid)] if boxes else []
        after, name = _filled(editor, one, lost, fill, index=index, rng=rng)
        states = torch.stack([one.tokens, *after])
        rows += _rows(editor, one, states, lost, titles, name)
        tokens |= {f'{one.name}_before': states[0], f'{one.name}_after': states[1:]}
        filled[one.name] = name
    record = dict(shares=[*shares], boxes=[[*box] for box in boxes], order=order)
    record |= dict(seed=fill.seed, classes=[*fill.classes], fill=filled)
    return Edited(rows=rows, frames=moving(rows, start=1), tokens=tokens, record=record)


def _filled(
    editor: Editor,
    one: Picture,
    lost: Sequence[Tensor],
    fill: Fill,
    *,
    index: int,
    rng: np.random.Generator,
) -> tuple[list[Tensor], str]:
    """Return the tokens of each step, and with what they are filled, in words."""
    if fill.kind == 'transformer':
        classes, seed = fill.classes, fill.seed
        known = [without(one.tokens, m) for m in lost]
        after = [
            sampled(editor, [index], classes=classes, seed=seed, known=kept)
            for kept in known
        ]
        named = f' of class {classes[index % len(classes)]}' if classes else ''
        return [part[0] for part in after], f'what the transformer draws{named}'
    if fill.kind == 'random':
        drawn = torch.from_numpy(random_tokens(one.grid, editor.token_sizes, rng))
        return [merge(m, drawn, one.tokens) for m in lost], 'random codes'
    if fill.kind == 'commonest':
        code = commonest(one.tokens, groups=editor.groups)[0][0]
        name = f'its commonest code, {told(code)}'
    else:
        try:
            code = parse_code(fill.kind, editor.token_sizes)
        except ValueError as error:
            names = ', '.join(FILLS)
            raise ValueError(f'--fill: {error}; or one of {names}') from None
        name = f'code {told(code)}'
    return [merge(m, token(code), one.tokens) for m in lost], name


def _rows(
    editor: Editor,
    one: Picture,
    states: Tensor,
    lost: Sequence[Tensor],
    titles: Sequence[str],
    name: str,
) -> list[Row]:
    """Return what is left of a picture, and what becomes of it, in one row or two."""
    whole, *shown = editor.decode(states)
    both = [
        Cell(image=one.image, caption=one.name),
        Cell(image=whole, caption='reconstruction'),
    ]
    left = [
        Cell(image=maps.holes(whole, m), caption=title)
        for m, title in zip(lost, titles, strict=True)
    ]
    filled = [
        Cell(image=image, caption=f'{title}, filled')
        for image, title in zip(shown, titles, strict=True)
    ]
    if len(lost) == 1:
        return [Row(title=f'filled with {name}', cells=both + left + filled)]
    return [
        Row(title=f'{one.name}: what is left', cells=both + left),
        Row(title=f'filled with {name}', cells=both + filled),
    ]
