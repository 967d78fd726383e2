"""Values as Python source: one line where it fits, else one item a line."""

import keyword
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vq.config.tree import Key, Sources

WIDTH = 88  # columns


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source, and where its values come from ('' for brackets)."""

    text: str
    source: str = ''


def lines(
    value: Any,
    *,
    key: Key = (),
    prefix: str = '',
    suffix: str = '',
    indent: str = '',
    sources: Sources | None = None,
    width: int = WIDTH,
) -> Iterator[Line]:
    """Yield the lines of `value`.

    Args:
        value: Plain data: dicts, lists, tuples, sets, scalars.
        key: Its place in `sources`.
        prefix: What stands before it.
        suffix: What stands after it.
        indent: Spaces before each line.
        sources: If given, a line holds only values of one source, and names it.
        width: Columns that a line should keep to.
    """
    among = sources.among(key) if sources is not None else set()
    flat = f'{indent}{prefix}{inline(value)}{suffix}'
    opening, items, closing = _parts(value)
    if not items or (len(flat) <= width and len(among) <= 1):
        yield Line(flat, ', '.join(sorted(among)))
        return
    yield Line(f'{indent}{prefix}{opening}')
    for label, step, item in items:
        yield from lines(
            item,
            key=(*key, step),
            prefix=label,
            suffix=',',
            indent=f'{indent}    ',
            sources=sources,
            width=width,
        )
    yield Line(f'{indent}{closing}{suffix}')


def inline(value: Any) -> str:
    """Return `value` as one line of Python."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"  # repr's inf is no name
    opening, items, closing = _parts(value)
    if not items:
        return opening + closing
    body = ', '.join(f'{label}{inline(item)}' for label, _, item in items)
    if isinstance(value, tuple) and len(items) == 1:
        body += ','
    return f'{opening}{body}{closing}'


def _parts(value: Any) -> tuple[str, list[tuple[str, str | int, Any]], str]:
    """Return opening bracket, labelled items and closing bracket.

    A scalar has none and is its own opening bracket.
    """
    if isinstance(value, dict) and all(_is_keyword(key) for key in value):
        return 'dict(', [(f'{key}=', key, item) for key, item in value.items()], ')'
    if isinstance(value, dict):
        return '{', [(f'{key!r}: ', key, item) for key, item in value.items()], '}'
    if isinstance(value, list | tuple):
        opening, closing = '[]' if isinstance(value, list) else '()'
        return opening, [('', i, item) for i, item in enumerate(value)], closing
    if isinstance(value, set | frozenset) and value:
        ordered = sorted(value, key=repr)  # else two runs could write two files
        opening, closing = (
            ('{', '}') if isinstance(value, set) else ('frozenset({', '})')
        )
        return opening, [('', i, item) for i, item in enumerate(ordered)], closing
    return repr(value), [], ''


def _is_keyword(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)
