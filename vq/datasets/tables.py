"""Columns of comma- or tab-separated text, read row by row."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

SEPARATORS = '\t,;'  # semicolons are Excel's where numbers have decimal commas


def read_columns(
    path: Path, columns: Sequence[str], *, separator: str = ''
) -> Iterator[list[str]]:
    """Yield the fields of some columns, row by row; blank ones are left out.

    Blanks before a field do not belong to it, unless they are in quotes.

    Args:
        path: The table; its first line names the columns.
        columns: Names of columns.
        separator: Between the columns, one character; '' takes the first of tab, comma
            and semicolon that the first line has.

    Raises:
        ValueError: The separator is longer; the table is empty or lacks a column, or a
            row has more or fewer fields than the first; its line is named.
    """
    if len(separator) > 1:
        raise ValueError(f'separator must be one character, got {separator!r}')
    # Programs that write a byte order mark do so before the first column's name.
    with path.open(newline='', encoding='utf-8-sig', errors='surrogateescape') as file:
        first = file.readline()
        if not first.strip():
            raise ValueError(f'{path} is empty; its first line must name the columns')
        file.seek(0)
        if not separator:
            separator = next((known for known in SEPARATORS if known in first), ',')
        rows = csv.reader(file, delimiter=separator, skipinitialspace=True)
        header = [name.strip() for name in next(rows)]
        if unknown := [name for name in columns if name not in header]:
            raise ValueError(
                f'{path} has no column {unknown[0]!r}, but {header} (separated by '
                f'{separator!r}, see option separator); the first line must name them'
            )
        places = [header.index(name) for name in columns]
        try:
            for row in rows:
                if not any(field.strip() for field in row):
                    continue  # spreadsheets may end with lines of separators alone
                if len(row) == len(header):
                    yield [row[place] for place in places]
                else:
                    raise ValueError(
                        f'{path}, line {rows.line_num}: {len(header)} fields separated '
                        f'by {separator!r} are expected, got {len(row)}: '
                        f'{separator.join(row)[:80]!r}; put a field that holds '
                        f'{separator!r} in double quotes'
                    )
        except csv.Error as error:  # such as a quote that is never closed
            raise ValueError(f'{path}, line {rows.line_num}: {error}') from error
