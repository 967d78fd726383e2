"""The table as text, CSV or Markdown."""

import csv
import io
from collections.abc import Callable, Sequence

from vq.comparison.table import Row, Table

MISSING = '-'
FIRST = ['run', 'checkpoint']
NO_DIFFERENCES = 'The configs do not differ.'


def text(table: Table) -> str:
    """Return aligned columns, a legend of the marks, and the config differences."""
    parts = [aligned(_header(table), _cells(table))]
    if legend := _legend(table):
        parts.append('\n'.join(f'[{letter}] {told}' for letter, told in legend))
    if table.differences:
        parts.append(aligned(['config', *table.runs], _differences(table)))
    elif len(table.runs) > 1:
        parts.append(NO_DIFFERENCES)
    return '\n\n'.join(parts) + '\n'


def markdown(table: Table) -> str:
    """Return the same as Markdown; the best of what may be compared is bold."""
    parts = [piped(_header(table), _cells(table, bold='**'))]
    if legend := _legend(table):
        parts.append('\n'.join(f'- [{letter}] {told}' for letter, told in legend))
    if table.differences:
        rows = [[f'`{cell}`' for cell in row] for row in _differences(table)]
        parts.append(piped(['config', *table.runs], rows))
    elif len(table.runs) > 1:
        parts.append(NO_DIFFERENCES)
    return '\n\n'.join(parts) + '\n'


def to_csv(table: Table) -> str:
    """Return one row a measurement, all digits; what is missing is empty.

    Behind a metric with marks comes METRIC_protocol, which spells them out. The
    differing values of the run's config are the last columns.
    """
    marked = {metric for found in table.notes.values() for metric in found}
    header = list(FIRST)
    for metric in table.metrics:
        header += [metric, f'{metric}_protocol'] if metric in marked else [metric]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow([*header, *table.costs, *table.differences])
    for row in table.rows:
        measured = row.measurement
        cells: list[object] = [measured.run, measured.checkpoint]
        for metric in table.metrics:
            cells.append(measured.values.get(metric))
            if metric in marked:
                cells.append(row.notes.get(metric))
        cells += [measured.cost.get(key) for key in table.costs]
        place = table.runs.index(measured.run)
        cells += [values[place] for values in table.differences.values()]
        writer.writerow(cells)
    return out.getvalue()


FORMATS: dict[str, Callable[[Table], str]] = dict(
    text=text, csv=to_csv, markdown=markdown
)


def _header(table: Table) -> list[str]:
    return [*FIRST, *table.metrics, *table.costs]


def _letters(table: Table) -> dict[str, str]:
    """Return the letter of each note: a, ..., z, aa, ab, ..."""
    return {note: _letter(i) for i, note in enumerate(table.notes)}


def _letter(index: int) -> str:
    before, last = divmod(index, 26)
    return (_letter(before - 1) if before else '') + 'abcdefghijklmnopqrstuvwxyz'[last]


def _legend(table: Table) -> list[tuple[str, str]]:
    letters = _letters(table)
    return [
        (letters[note], f'{", ".join(metrics)}: {note}')
        for note, metrics in table.notes.items()
    ]


def _cells(table: Table, bold: str = '') -> list[list[str]]:
    letters = _letters(table)

    def cell(row: Row, metric: str) -> str:
        value = row.measurement.values.get(metric)
        if value is None:
            return MISSING
        around = bold if table.best.get(metric) == value else ''
        note = row.notes.get(metric)
        return f'{around}{value:.6g}{around}' + (f' [{letters[note]}]' if note else '')

    return [
        [
            row.measurement.run,
            row.measurement.checkpoint,
            *(cell(row, metric) for metric in table.metrics),
            *(_plain(row.measurement.cost.get(key)) for key in table.costs),
        ]
        for row in table.rows
    ]


def _plain(value: float | None) -> str:
    if value is None:
        return MISSING
    return str(value) if isinstance(value, int) else f'{value:.4g}'


def _differences(table: Table) -> list[list[str]]:
    return [
        [key, *(MISSING if value is None else value for value in values)]
        for key, values in table.differences.items()
    ]


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for people: columns are as wide as their widest cell."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def piped(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""

    def line(cells: Sequence[str]) -> str:
        return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'

    return '\n'.join([line(header), line(['---'] * len(header)), *map(line, rows)])
