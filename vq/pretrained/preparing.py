"""Have a file of the table in place: get it, or check the one that is there."""

import logging
from dataclasses import dataclass
from pathlib import Path

from vq.pretrained.checksums import ChecksumError, Record, check
from vq.pretrained.download import download
from vq.pretrained.entry import Entry
from vq.pretrained.http import NotThereError
from vq.pretrained.sources import nearby, sources

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A file that is in place.

    Args:
        path: Where.
        size: Number of bytes.
        downloaded: Whether it was not there before.
    """

    path: Path
    size: int
    downloaded: bool


def verify(entry: Entry, *, root: Path, path: Path | None = None) -> None:
    """Check a file against the table and against what it was when it was first seen.

    Args:
        entry: The file.
        root: The folder `pretrained/`.
        path: Where it is, if it is not in place yet.

    Raises:
        ChecksumError: It is not the right one.
        FileNotFoundError: It is not there.
    """
    path = path or root / entry.file
    found = check(path, sha256=entry.sha256, size=entry.size)
    Record(root=root).confirm(entry.file, found)


def prepare(entry: Entry, *, root: Path, mirror: str | None = None) -> Prepared:
    """Get a file, unless it is there; it is verified in both cases.

    Args:
        entry: The file.
        root: The folder `pretrained/`.
        mirror: Used instead of the publisher: a URL or a folder.

    Raises:
        ChecksumError: What is there, or what came, is not the right file.
        UnreachableError: Nobody answers.
        NotThereError: Nobody has it.
        DownloadError: It went wrong in another way; what has come is kept.
    """
    path = root / entry.file
    if path.exists():
        try:
            verify(entry, root=root)
        except ChecksumError as error:
            raise ChecksumError(
                f'{error}; it is there already: remove {path} to get it again'
            ) from None
        return Prepared(path, path.stat().st_size, downloaded=False)
    tried, copies = [], set(nearby(entry, root))
    for url in sources(entry, root=root, mirror=mirror):
        _logger.info('%s from %s', entry.file, url)
        try:
            download(
                url,
                path,
                verify=lambda part: verify(entry, root=root, path=part),
                size=entry.size,
            )
        except NotThereError as error:
            tried.append(str(error))
            continue
        except ChecksumError as error:
            if url not in copies:
                raise
            tried.append(str(error))
            continue
        return Prepared(path, path.stat().st_size, downloaded=True)
    where = f'not at {mirror}' if mirror else 'not to be had'
    raise NotThereError('; '.join([f'{entry.file} is {where}', *tried]))
