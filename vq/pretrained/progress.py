"""How far a download is: a moving line on a terminal, few lines elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

KB, GB = 10**3, 10**9  # bytes

REDRAW = 0.1  # seconds, on a terminal
STEP = 0.1  # share of the file between two lines, elsewhere
SILENCE = 30.0  # seconds after which a line comes all the same


def human(count: float) -> str:
    """Return a number of bytes as people write it: 553.4 MB."""
    if count < KB:
        return f'{count:.0f} bytes'
    if count < KB**2:
        return f'{count / KB:.1f} kB'
    return f'{count / KB**2:.1f} MB' if count < GB else f'{count / GB:.2f} GB'


def duration(seconds: float) -> str:
    """Return a time as people write it: 1:05 or 2:00:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


class Progress:
    """Says how much of one file is there, how fast it comes and how long it takes.

    Args:
        label: Name of the file.
        total: Number of its bytes; None where it is not known.
        done: Number of bytes that are there already.
        stream: Where to write.
        describe: Writes a number of bytes, or of whatever else is counted.
    """

    def __init__(
        self,
        *,
        label: str,
        total: int | None,
        done: int = 0,
        stream: TextIO | None = None,
        describe: Callable[[float], str] = human,
    ) -> None:
        self._label, self._total, self._done = label, total, done
        self._stream = stream or sys.stderr
        self._describe = describe
        self._moving = self._stream.isatty()
        self._first = done
        self._started = time.monotonic()
        self._shown_at, self._shown_done = self._started, done
        self._width = 0

    def add(self, count: int) -> None:
        """Count bytes that have come."""
        self._done += count
        waited = time.monotonic() - self._shown_at
        if self._moving:
            if waited >= REDRAW:
                self._show()
        elif waited >= SILENCE or self._steps(self._done) > self._steps(
            self._shown_done
        ):
            self._show()

    def close(self) -> None:
        """End the moving line."""
        if self._moving:
            self._show()
            self._stream.write('\n')
            self._stream.flush()

    def text(self) -> str:
        """Return the line."""
        seconds = time.monotonic() - self._started
        speed = (self._done - self._first) / seconds if seconds > 0 else 0.0
        pace = f'{self._describe(speed)}/s'
        if not self._total:
            return f'{self._label}  {self._describe(self._done)}  {pace}'
        share = f'{100 * self._done // self._total:3d}%'
        line = f'{self._label}  {share} of {self._describe(self._total)}  {pace}'
        if speed > 0 and self._done < self._total:
            line += f'  {duration((self._total - self._done) / speed)} left'
        return line

    def _steps(self, done: int) -> int:
        return int(done / (STEP * self._total)) if self._total else 0

    def _show(self) -> None:
        line = self.text()
        if self._moving:
            self._stream.write('\r' + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + '\n')
        self._stream.flush()
        self._shown_at, self._shown_done = time.monotonic(), self._done
