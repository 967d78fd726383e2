"""Logging: the console on rank 0, and one file a run."""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from vq import distributed

FORMAT = '[%(asctime)s][%(filename)s:%(lineno)d] %(levelname)s: %(message)s'
VALIDATED = 'val/'  # how the logged names of what validations find begin


def timestamp() -> str:
    """Return now, in a form that file names can hold: 2026-11-21T10-30-00."""
    return datetime.now().strftime('%Y-%m-%dT%H-%M-%S')


def set_up(folder: Path | None = None) -> None:
    """Log to the console, and to a new file in `folder`.

    Rank 0 logs everything; the others only warnings, marked with their rank.
    """
    logger = logging.getLogger('vq')
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    main = distributed.is_main()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    console = logging.StreamHandler(sys.stdout)
    console.setLevel(logging.INFO if main else logging.WARNING)
    handlers: list[logging.Handler] = [console]
    if folder is not None and main:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(folder / f'{timestamp()}.log'))
    prefix = '' if main else f'[rank {distributed.rank()}]'
    for handler in handlers:
        handler.setFormatter(logging.Formatter(prefix + FORMAT))
        logger.addHandler(handler)


def append_json(path: Path, record: dict[str, Any]) -> None:
    """Append one line of JSON to `path`; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write(json.dumps(record) + '\n')


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a JSON-lines file anew; it is the old one or the whole new one."""
    aside = path.with_name(f'.{path.name}.new')
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_text(''.join(json.dumps(record) + '\n' for record in records))
    aside.replace(path)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSON-lines file; a torn last line is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
