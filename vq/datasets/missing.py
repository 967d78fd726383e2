"""Which files of a long list are not there, and a text that lists them."""

import hashlib
import logging
import os
import secrets
from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vq import paths
from vq.datasets.names import Names

FEW = 8  # files of a folder that are asked for one by one

_logger = logging.getLogger(__name__)


def absent(root: Path, names: Names) -> NDArray[np.int64]:
    """Return the places, ascending, of the names that are no files below `root`.

    Folders are read whole, one at a time: over a network, asking for each of a million
    files takes minutes.
    """
    folders: dict[str, int] = {}
    numbers = array('q')
    for place in range(len(names)):
        folder = os.path.dirname(names[place])
        numbers.append(folders.setdefault(folder, len(folders)))
    order = np.argsort(np.frombuffer(numbers, np.int64), kind='stable')
    ends = np.cumsum(np.bincount(numbers, minlength=len(folders)))
    missing = array('q')
    for folder, places in zip(folders, np.split(order, ends[:-1]), strict=True):
        there = _files(root / folder) if len(places) > FEW else set()
        for place in places:
            name = names[place]
            # What a name is to a file system that ignores case only it can tell.
            if os.path.basename(name) not in there and not (root / name).is_file():
                missing.append(place)
    return np.sort(np.array(missing, np.int64))


def _files(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:  # not there, or no folder
        return set()


def write_list(names: Iterable[str], *, beside: Path) -> Path | None:
    """Write names, a line each, beside a file, or where that fails below work_dirs.

    Args:
        names: They are read once for each place that is tried.
        beside: The file; the list is called like it, with `.missing` at the end.

    Returns:
        The list; None where it cannot be written, and the log says why.
    """
    digest = hashlib.sha256(str(beside).encode()).hexdigest()[:12]
    text = '\n'.join([*names, ''])
    for place in (
        beside.with_name(f'{beside.name}.missing'),
        paths.ROOT / 'work_dirs' / 'missing' / f'{beside.name}.{digest}.missing',
    ):
        # Ranks, on several machines, may write at once.
        aside = place.with_name(f'.{place.name}.{secrets.token_hex(4)}')
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(text, 'utf-8', 'surrogateescape')
            aside.replace(place)
        except OSError as error:
            _logger.warning('%s cannot be written (%s)', place, error.strerror or error)
        else:
            return place
    return None
