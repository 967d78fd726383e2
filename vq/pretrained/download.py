"""Get one file by URL: going on where it stopped, in place only when it is right.

Bytes come into FILE.part; FILE.part.json remembers of which version of which URL they
are, so that a file that has changed meanwhile starts anew.
"""

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from vq.pretrained.checksums import ChecksumError
from vq.pretrained.http import (
    Answer,
    DownloadError,
    DroppedError,
    UnreachableError,
    Version,
    ask,
)
from vq.pretrained.progress import Progress, human

ATTEMPTS = 5  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt; twice as many before each further one
LONGEST_PAUSE = 60.0  # seconds

_logger = logging.getLogger(__name__)


def part_of(target: Path) -> Path:
    """Return where the bytes of an unfinished file are: FILE.part."""
    return target.with_name(target.name + '.part')


def download(
    url: str,
    target: Path,
    *,
    verify: Callable[[Path], object],
    size: int | None = None,
) -> None:
    """Get a file; one that is there already is left alone.

    Several processes may ask for the same file: one gets it, the others wait.

    Args:
        url: http, https or file.
        target: Where it shall lie; its folder is made.
        verify: Called with the complete file before it is put in place; raises
            ChecksumError if it is not the right one, which is then removed.
        size: Number of bytes, where it is known.

    Raises:
        ValueError: The URL is of another kind.
        UnreachableError: Nobody answers under this address.
        NotThereError: The server does not have the file.
        DownloadError: It went wrong in another way; what has come is kept.
        ChecksumError: What came is not the right file; it is removed.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ('http', 'https', 'file'):
        raise ValueError(f'a URL begins with http:, https: or file:, not {url}')
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    with _locked(part) as file:
        if target.exists():  # another process was faster
            part.unlink()
            return
        transfer = _Transfer(url=url, file=file, part=part, size=size)
        try:
            transfer.run()
            verify(part)
        except ChecksumError:
            transfer.forget()
            part.unlink()
            raise
        except Exception:
            if not part.stat().st_size:
                transfer.forget()
                part.unlink()
            raise
        part.replace(target)
        transfer.forget()


class _Transfer:
    """The bytes of one URL on their way into one open file."""

    def __init__(
        self, *, url: str, file: IO[bytes], part: Path, size: int | None
    ) -> None:
        self._url, self._file, self._size = url, file, size
        self._state = part.with_name(part.name + '.json')
        self._label = part.name.removesuffix('.part')
        self._folder = part.parent
        self._answered = False
        self._version = self._remembered()

    def run(self) -> None:
        """Receive all bytes, with as many requests as it takes."""
        most, failures = self._have(), 0
        while True:
            try:
                self._attempt()
                break
            except DroppedError as error:
                # An address that never answered is wrong, or there is no network.
                if isinstance(error, UnreachableError) and not self._answered:
                    raise
                failures = 0 if self._have() > most else failures + 1
                most = max(most, self._have())
                if failures >= ATTEMPTS:
                    raise DownloadError(
                        f'{self._label}: {error}; gave up after {failures} attempts, '
                        f'{human(self._have())} are kept: the same command goes on'
                    ) from None
                pause = min(PAUSE * 2**failures, LONGEST_PAUSE)
                _logger.warning('%s: %s; trying again', self._label, error)
                time.sleep(pause)
        os.fsync(self._file.fileno())

    def forget(self) -> None:
        """Remove what is remembered of the unfinished file."""
        self._state.unlink(missing_ok=True)

    def _have(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def _remembered(self) -> Version | None:
        """Return the version that the bytes are of; without one they are worthless."""
        try:
            state = json.loads(self._state.read_text())
            version = Version(**state['version'])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return version if state.get('url') == self._url else None

    def _attempt(self) -> None:
        have, version = self._have(), self._version
        if have and (version is None or version.validator is None):
            have = 0  # nothing could tell whether the rest is of the same file
        if have and version is not None and have == version.total:
            return
        with ask(self._url, start=have, version=version if have else None) as answer:
            self._answered = True
            if 0 < have == answer.start and version and answer.version.same(version):
                _logger.info('%s: going on at %s', self._label, human(have))
            elif answer.start or answer.rest_refused:
                self._begin(None)  # another version by now
                raise DroppedError('the file has changed since; starting anew')
            else:
                self._begin(answer.version)
            self._check_length(answer.version.total)
            self._receive(answer)

    def _begin(self, version: Version | None) -> None:
        """Drop the bytes, and remember of which version the next ones are."""
        self.forget()
        self._file.truncate(0)
        self._version = version
        if version is not None:
            state = {'url': self._url, 'version': vars(version)}
            self._state.write_text(json.dumps(state) + '\n')

    def _check_length(self, total: int | None) -> None:
        if total is None:
            return
        if self._size is not None and total != self._size:
            raise ChecksumError(
                f'{self._label}: expected {self._size} bytes, found {total} at '
                f'{self._url}'
            )
        free = shutil.disk_usage(self._folder).free
        if total - self._have() > free:
            raise DownloadError(
                f'{self._label} needs {human(total - self._have())} more, but only '
                f'{human(free)} are free in {self._folder}'
            )

    def _receive(self, answer: Answer) -> None:
        total = answer.version.total
        progress = Progress(label=self._label, total=total, done=self._have())
        try:
            for chunk in answer.chunks():
                self._file.write(chunk)
                self._file.flush()  # a killed process leaves what it has received
                progress.add(len(chunk))
        finally:
            progress.close()
        if total is not None and self._have() < total:
            raise DroppedError(f'the connection ended at {human(self._have())}')


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open a file to append to, for this process alone."""
    while True:
        with part.open('ab') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _logger.info('another process is getting %s; waiting', part.stem)
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is(file, part):
                yield file
                return


def _is(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is still at its path, not put in place meanwhile."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
