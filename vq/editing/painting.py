"""Tokens that change: regions exchanged or painted, codes replaced."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vq.editing.codes import Code, equal, replace, token, told
from vq.editing.editor import Editor, Picture
from vq.editing.regions import merge
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row, moving
from vq.generation.regions import Box, inside


def swapped(start: Tensor, end: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Exchange the tokens (h, w, ...) of two pictures inside a mask (h, w)."""
    return merge(mask, end, start), merge(mask, start, end)


def swap(
    editor: Editor, start: Picture, end: Picture, *, boxes: Sequence[Box]
) -> Edited:
    """Exchange boxes of tokens between two pictures, both ways."""
    mask = inside(boxes, start.grid)
    after = torch.stack(swapped(start.tokens, end.tokens, mask))
    before = torch.stack([start.tokens, end.tokens])
    pictures = [*editor.decode(before), *editor.decode(after)]
    captions = [
        f'{start.name}',
        f'{end.name}',
        f'{start.name} with the region of {end.name}',
        f'{end.name} with the region of {start.name}',
    ]
    cells = [
        Cell(image=image, caption=caption, outline=mask)
        for image, caption in zip(pictures, captions, strict=True)
    ]
    return Edited(
        rows=[
            Row(title='reconstructions', cells=cells[:2]),
            Row(title='tokens of the region exchanged', cells=cells[2:]),
        ],
        tokens=dict(before=before, after=after),
        record=dict(boxes=[[*box] for box in boxes], changed=_changed(before, after)),
    )


def painted(tokens: Tensor, boxes: Sequence[Box], paints: Sequence[Tensor]) -> Tensor:
    """Fill boxes with paint, one after the other.

    Args:
        tokens: Of a picture, (h, w, ...).
        boxes: The boxes.
        paints: One for each box, or one for all: a token, () or (g,), or those of
            another picture, (h, w, ...).

    Raises:
        ValueError: There are neither one paint nor as many as boxes.
    """
    if len(paints) not in (1, len(boxes)):
        raise ValueError(
            f'{len(boxes)} boxes are to be painted with {len(paints)} tokens: give one '
            'for all, or one each'
        )
    own = [*paints] * len(boxes) if len(paints) == 1 else [*paints]
    grid = (tokens.shape[0], tokens.shape[1])
    for box, paint in zip(boxes, own, strict=True):
        tokens = merge(inside([box], grid), paint, tokens)
    return tokens


def paint(
    editor: Editor,
    pictures: Sequence[Picture],
    *,
    boxes: Sequence[Box],
    codes: Sequence[Code] = (),
    source: Picture | None = None,
) -> Edited:
    """Paint boxes of pictures with codes, or with another picture's tokens.

    Args:
        editor: Runs the model.
        pictures: The pictures.
        boxes: What is painted.
        codes: With which codes, one for each box or one for all.
        source: Instead: whose tokens at the same places.
    """
    paints = [source.tokens] if source else [token(code) for code in codes]
    what = source.name if source else ' '.join(map(told, codes))
    rows: list[Row] = []
    tokens: dict[str, Tensor] = {}
    changed: list[int] = []
    for one in pictures:
        mask = inside(boxes, one.grid)
        both = torch.stack([one.tokens, painted(one.tokens, boxes, paints)])
        before, after = editor.decode(both)
        cells = [Cell(image=one.image, caption=one.name)]
        cells.append(Cell(image=before, caption='reconstruction', outline=mask))
        if source:
            cells.append(Cell(image=source.image, caption=source.name, outline=mask))
        cells.append(Cell(image=after, caption='painted'))
        title = '' if rows else f'boxes painted with {_tokens_of(source, codes)}'
        rows.append(Row(title=title, cells=cells))
        tokens |= {f'{one.name}_before': both[0], f'{one.name}_after': both[1]}
        changed.append(_changed(both[0], both[1]))
    return Edited(
        rows=rows,
        tokens=tokens,
        record=dict(boxes=[[*box] for box in boxes], paint=what, changed=changed),
    )


def exchange(
    editor: Editor, pictures: Sequence[Picture], *, changes: Sequence[tuple[Code, Code]]
) -> Edited:
    """Replace codes by others: first one of them, then two, and so on.

    Args:
        editor: Runs the model.
        pictures: The pictures.
        changes: Pairs of old and new codes; the last step has all at once.
    """
    number = len(changes)
    rows: list[Row] = []
    tokens: dict[str, Tensor] = {}
    counts: dict[str, list[int]] = {}
    for one in pictures:
        states = [replace(one.tokens, changes[:i]) for i in range(number + 1)]
        shown = editor.decode(torch.stack(states))
        counts[one.name] = [int(equal(one.tokens, old).sum()) for old, _ in changes]
        cells = [Cell(image=one.image, caption=one.name)]
        cells.append(Cell(image=shown[0], caption='reconstruction'))
        pairs = zip(shown[1:], changes, counts[one.name], strict=True)
        for image, (old, new), count in pairs:
            caption = f'{told(old)} to {told(new)}, {count} times'
            outline = equal(one.tokens, old)
            cells.append(Cell(image=image, caption=caption, outline=outline))
        title = '' if rows else 'codes replaced, one after the other'
        rows.append(Row(title=title, cells=cells))
        tokens |= {f'{one.name}_before': states[0], f'{one.name}_after': states[-1]}
    plain = [Row(title='', cells=row.cells) for row in rows]
    written = [f'{told(old)}:{told(new)}' for old, new in changes]
    return Edited(
        rows=rows,
        frames=moving(plain, start=1),
        tokens=tokens,
        record=dict(codes=written, positions=counts),
    )


def _tokens_of(source: Picture | None, codes: Sequence[Code]) -> str:
    if source:
        return f'the tokens of {source.name}'
    return f'code{"s" * (len(codes) > 1)} {" ".join(map(told, codes))}'


def _changed(before: Tensor, after: Tensor) -> int:
    """Return how many tokens differ; sub-tokens count each."""
    return int((before != after).sum())
