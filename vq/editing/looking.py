"""Which codes a picture has: a map of its tokens, its commonest codes, a table."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vq.editing import maps
from vq.editing.codes import Code, commonest, equal, told
from vq.editing.editor import Editor, Picture
from vq.editing.result import Edited
from vq.editing.sheet import Cell, Row

SHOWN = 6  # codes of which a picture is shown where they are


def codes(editor: Editor, pictures: Sequence[Picture], *, top: int) -> Edited:
    """Show the tokens of pictures, and count their codes.

    Args:
        editor: Runs the model.
        pictures: The pictures.
        top: Codes of a picture that the table lists.

    Raises:
        ValueError: `top` is below 1.
    """
    if top < 1:
        raise ValueError(f'--top must be at least 1, got {top}')
    rows: list[Row] = []
    table: dict[str, Any] = {}
    for one in pictures:
        again = editor.decode(one.tokens[None])[0]
        found = commonest(one.tokens, groups=editor.groups)
        number = one.grid[0] * one.grid[1]
        table[one.name] = dict(
            positions=number,
            different=len(found),
            commonest=[
                dict(code=told(code), count=count, share=round(count / number, 6))
                for code, count in found[:top]
            ],
        )
        cells = [
            Cell(image=one.image, caption=one.name),
            Cell(image=again, caption='reconstruction'),
            *_maps(one.tokens, again, editor.groups),
        ]
        title = f'{one.name}: {len(found)} codes at {number} positions'
        rows.append(Row(title=title, cells=cells))
        meant = [_meant(one.tokens, again, *each) for each in found[:SHOWN]]
        rows.append(Row(title='where its commonest codes are', cells=meant))
    tokens = {one.name: one.tokens for one in pictures}
    return Edited(rows=rows, tokens=tokens, record=dict(codes=table))


def _maps(tokens: Tensor, picture: Tensor, groups: int) -> list[Cell]:
    """Return a map of the tokens (h, w), or of (h, w, g) one of each sub-token."""
    size = (picture.shape[1], picture.shape[2])
    if groups == 1:
        return [Cell(image=maps.coloured(tokens, size), caption='a colour a code')]
    return [
        Cell(image=maps.coloured(part, size), caption=f'codes of sub-token {i}')
        for i, part in enumerate(tokens.unbind(-1))
    ]


def _meant(tokens: Tensor, picture: Tensor, code: Code, count: int) -> Cell:
    """Return a picture of where a code is."""
    caption = f'code {told(code)}: {count} times'
    return Cell(image=maps.spotlight(picture, equal(tokens, code)), caption=caption)
