"""Is a file the published one? What the table knows, and what the first download was.

`pretrained/checksums.json` holds the SHA-256 of each file as it was first seen, so that
a file whose publisher gives no checksum can at least not change unnoticed.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

FILE = 'checksums.json'


class ChecksumError(RuntimeError):
    """A file is not what it should be; says what was expected and what is there."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def check(path: Path, *, sha256: str, size: int | None) -> str:
    """Compare a file with what is known of it; return its SHA-256.

    Args:
        path: The file.
        sha256: All hex digits, or the first; empty where none is known.
        size: Number of bytes; None where it is not known.

    Raises:
        ChecksumError: It is another file, or not all of it.
    """
    there = path.stat().st_size
    if size is not None and there != size:
        raise ChecksumError(f'{path.name}: expected {size} bytes, found {there}')
    if not there:
        raise ChecksumError(f'{path.name}: expected some bytes, found none')
    if not sha256 and not _plausible(path):
        raise ChecksumError(f'{path.name}: expected weights, found something else')
    found = digest(path)
    if not found.startswith(sha256):
        raise ChecksumError(f'{path.name}: expected sha256 {sha256}, found {found}')
    return found


def _plausible(path: Path) -> bool:
    """Whether a file begins as its kind does, and not as an error message."""
    with path.open('rb') as file:
        head = file.read(9)
    suffix = path.name.removesuffix('.part').rpartition('.')[2]
    if suffix in ('pth', 'pt', 'ckpt'):
        return head.startswith((b'PK', b'\x80'))  # a zip archive, an old pickle
    return suffix != 'safetensors' or head.endswith(b'{')


class Record:
    """What each file was when it was first seen: `checksums.json` in a folder.

    Several processes may use it at once.

    Args:
        root: The folder `pretrained/`.
    """

    def __init__(self, *, root: Path) -> None:
        self._root = root
        self.path = root / FILE

    def confirm(self, file: str, found: str) -> None:
        """Compare a file's SHA-256 with the recorded one; the first is recorded.

        Raises:
            ChecksumError: It was another one; both are named.
        """
        with self._locked():
            entries = self._read()
            if file not in entries:
                entries[file] = {'sha256': found, 'since': date.today().isoformat()}
                self._write(entries)
        known = entries[file]['sha256']
        if known != found:
            raise ChecksumError(
                f'{file}: expected sha256 {known}, recorded on '
                f'{entries[file]["since"]}, found {found}; if the new file is the '
                f'right one, remove its entry in {self.path}'
            )

    def _read(self) -> dict[str, dict[str, str]]:
        if not self.path.exists():
            return {}
        try:
            entries: dict[str, dict[str, str]] = json.loads(self.path.read_text())
        except ValueError as error:
            raise ChecksumError(f'{self.path} is damaged: {error}') from None
        return entries

    def _write(self, entries: dict[str, dict[str, str]]) -> None:
        aside = self.path.with_name(f'.{FILE}.{os.getpid()}')
        text = json.dumps(dict(sorted(entries.items())), indent=2) + '\n'
        with aside.open('w') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        # A file of its own: checksums.json is replaced, and locks stay with the old.
        with self.path.with_name(f'.{FILE}.lock').open('w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
