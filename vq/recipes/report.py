"""The account of a conversion as a table."""

import textwrap
from collections import Counter

from vq.recipes.conversion import Converted
from vq.recipes.ledger import CARRIED, LEFT, SAME

WIDTH = 100  # columns
SHOWN = 36  # columns of a value


def report(converted: Converted) -> str:
    """Return what became of each key, a line each, and what is to be known."""
    rows = [(row.key, _short(row.value), row.state, row.told) for row in converted.rows]
    widths = [max([len(row[i]) for row in rows], default=0) for i in range(3)]
    lines = []
    for row in rows:
        cells = [word.ljust(width) for word, width in zip(row, widths, strict=False)]
        lines.append('  '.join([*cells, row[3]]))
    counts = Counter(row.state for row in converted.rows)
    lines.append('')
    lines.append(
        f'{len(rows)} keys of {converted.kind}: '
        + ', '.join(f'{counts[state]} {state}' for state in (CARRIED, SAME, LEFT))
    )
    for subject, told in converted.remarks.items():
        lines += textwrap.wrap(f'{subject}: {told}', WIDTH, subsequent_indent='  ')
    return '\n'.join([*lines, *converted.checked])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f'{text[: SHOWN - 4]} ...'
