"""Columns of comma- or tab-separated text, read row by row."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path


def read_columns(
    path: Path, columns: Sequence[str], *, separator: str = ''
) -> Iterator[list[str]]:
    """Yield the fields of some columns, row by row; empty lines are left out.

    Args:
        path: The table; its first line names the columns.
        columns: Names of columns.
        separator: Between the columns; '' takes tabs where the first line has one, else
            commas.

    Raises:
        ValueError: The table is empty or lacks a column, or a row has more or fewer
            fields than the first; its line is named.
    """
    # Programs that write a byte order mark do so before the first column's name.
    with path.open(newline='', encoding='utf-8-sig', errors='surrogateescape') as file:
        first = file.readline()
        if not first.strip():
            raise ValueError(f'{path} is empty; its first line must name the columns')
        file.seek(0)
        separator = separator or ('\t' if '\t' in first else ',')
        rows = csv.reader(file, delimiter=separator)
        header = [name.strip() for name in next(rows)]
        if unknown := [name for name in columns if name not in header]:
            raise ValueError(
                f'{path} has no column {unknown[0]!r}, but {header} (separated by '
                f'{separator!r}); the first line must name the columns'
            )
        places = [header.index(name) for name in columns]
        try:
            for row in rows:
                if len(row) == len(header):
                    yield [row[place] for place in places]
                elif row:
                    raise ValueError(
                        f'{path}, line {rows.line_num}: {len(header)} fields separated '
                        f'by {separator!r} are expected, got {len(row)}: '
                        f'{separator.join(row)[:80]!r}; put a field that holds '
                        f'{separator!r} in double quotes'
                    )
        except csv.Error as error:  # such as a quote that is never closed
            raise ValueError(f'{path}, line {rows.line_num}: {error}') from error
