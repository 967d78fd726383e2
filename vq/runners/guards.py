"""What keeps a run safe: a lock on its folder, and an orderly stop on signals."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vq import distributed

STDERR = 2  # a file descriptor
FINISHING = 'finishing this iteration, then saving; a second signal ends at once'
ECHO = 1.0  # seconds: the terminal and torchrun each pass one Ctrl-C on


class WorkDirBusyError(RuntimeError):
    """Another process trains in this work dir."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the work dir; the lock ends with the process, however that ends.

    Raises:
        WorkDirBusyError: Another process holds it; every rank raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / '.lock').open('a+') if distributed.is_main() else None
    problem = None
    if file is not None:
        try:
            # Not flock: data-loading children would inherit that and outlive us.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(f'{os.getpid()} on {os.uname().nodename}')
            file.flush()
        except BlockingIOError:
            file.seek(0)
            problem = (
                f'{folder} is in use by process {file.read() or "?"}; '
                'wait for it, stop it, or train under another name'
            )
    problem = distributed.broadcast(problem)
    try:
        if problem is not None:
            raise WorkDirBusyError(problem)
        yield
    finally:
        if file is not None:
            file.close()


class StopRequest:
    """Set by SIGTERM or SIGINT: finish the iteration, save, and end.

    A second signal, more than a second after the first, ends the process at once.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.signal: int | None = None
        self._time = 0.0

    def __enter__(self) -> 'StopRequest':
        self._previous = {s: signal.signal(s, self._handle) for s in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if time.monotonic() - self._time > ECHO:
                os._exit(128 + number)
            return
        self.signal = number
        self._time = time.monotonic()
        # Not by the log: if a signal comes while a line is being written, the handler
        # is inside that very write, and its own line is lost.
        name = signal.Signals(number).name
        os.write(STDERR, f'{name}: {FINISHING}\n'.encode())

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def reason(self) -> str:
        """Who asked: the signal, or else another rank."""
        return signal.Signals(self.signal).name if self.signal else 'another rank'
