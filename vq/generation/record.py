"""The record: what made a folder of samples, so that nothing else goes on with it."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import vq
from vq.checkpoints import write_json

LONGEST = 60  # characters of a value in an error
NOTES = ('config', 'command', 'version')  # what samples do not depend on


def record_path(folder: Path) -> Path:
    """Return the record of a folder of samples: FOLDER.json."""
    return folder.with_name(f'{folder.name}.json')


def check_record(
    folder: Path, settings: Mapping[str, Any], number: int, *, names: Iterable[str]
) -> None:
    """Make sure that samples with these settings may be added to a folder.

    More than it was made for is welcome, less would leave samples behind.

    Args:
        folder: The folder.
        settings: What the samples depend on.
        number: How many there are to be.
        names: Of their pictures, as in `Draw`.

    Raises:
        ValueError: Something differs, and both values are named; or there are pictures
            without a record. The ways out are named.
    """
    path = record_path(folder)
    if not path.is_file():
        places = {(folder / name).parent for name in names}
        if any(any(place.glob('*.png')) for place in places):
            raise ValueError(
                f'{folder} holds pictures, but no {path} says what made them. Write to '
                'another folder by --out DIR, or move them elsewhere'
            )
        return
    theirs = json.loads(path.read_text('utf-8'))
    mine = json.loads(json.dumps({**settings, 'number': number}))
    differing = [
        f'{key} is {_brief(theirs.get(key))} there and {_brief(value)} here'
        for key, value in mine.items()
        if (theirs.get(key) != value if key != 'number' else theirs[key] > value)
    ]
    if differing:
        raise ValueError(
            f'{folder} holds other samples: {"; ".join(differing)}. Write to another '
            f'folder by --out DIR, or delete {folder} and {path}'
        )


def write_record(
    folder: Path, settings: Mapping[str, Any], number: int, **notes: Any
) -> None:
    """Write the record: settings, number, and notes that need not stay the same."""
    notes |= dict(command=shlex.join(sys.orig_argv), version=vq.__version__)
    write_json(record_path(folder), {**settings, 'number': number, **notes})


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}...'
