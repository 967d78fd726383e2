"""The lock on a work dir, and the orderly stop, in processes of their own."""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from vq.runners import guards
from vq.runners.guards import StopRequest, WorkDirBusyError, locked

# A stand-in for vq.distributed keeps torch out: these processes start at once.
LIGHT = """
import sys, types
stub = types.ModuleType('vq.distributed')
stub.is_main, stub.broadcast = lambda: True, lambda value: value
import vq
sys.modules['vq.distributed'] = vq.distributed = stub
runners = types.ModuleType('vq.runners')
runners.__path__ = [vq.__path__[0] + '/runners']
sys.modules['vq.runners'] = runners
import os, signal, time
from pathlib import Path
from vq.runners import guards
"""
HOLD = """
with guards.locked(Path(sys.argv[1])):
    if sys.argv[2:] and os.fork() == 0:
        time.sleep(60)  # as a data-loading worker that has not noticed yet
    print('held', flush=True)
    sys.stdin.readline()
"""
STOP = """
guards.ECHO = 0.3
with guards.StopRequest() as stop:
    print('ready', flush=True)
    while True:
        time.sleep(0.01)
        if stop:
            print(stop.signal, flush=True)
            break
    for _ in range(500):
        time.sleep(0.01)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python on `code`, and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, '-c', LIGHT + code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in ('held', 'ready')
    return process


def end(process: subprocess.Popen[str]) -> None:
    """End a process with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path / 'run'))
    try:
        words = f'in use by process {process.pid} on {os.uname().nodename}'
        with pytest.raises(WorkDirBusyError, match=words), locked(tmp_path / 'run'):
            pytest.fail('the lock was given twice')
        process.communicate('go on\n', timeout=20)
        with locked(tmp_path / 'run'):
            held = (tmp_path / 'run' / '.lock').read_text()
    finally:
        end(process)
    assert held == f'{os.getpid()} on {os.uname().nodename}'


def test_sigkill_frees_it_even_while_children_live(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path), 'fork')
    try:
        process.kill()
        process.wait(timeout=20)
        with locked(tmp_path):
            assert os.getpgid(0) != process.pid
    finally:
        end(process)


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    process = start(HOLD, str(tmp_path))
    end(process)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize('number', StopRequest.SIGNALS)
def test_a_signal_asks_and_its_echo_changes_nothing(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    previous = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert (bool(stop), stop.signal) == (True, number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == number
        assert stop.reason == number.name
    assert signal.getsignal(number) is previous
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith(number.name)


def test_a_signal_within_a_write_is_told(tmp_path: Path) -> None:
    """A buffered stream refuses a write from a handler that interrupts its own."""

    class Interrupted(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, text: Any) -> int:
            os.kill(os.getpid(), signal.SIGTERM)
            return len(text)

    told = tmp_path / 'stderr'
    with told.open('wb') as file, mock.patch.object(guards, 'STDERR', file.fileno()):
        stream = io.TextIOWrapper(io.BufferedWriter(Interrupted()))
        handler = logging.StreamHandler(stream)
        logger = logging.getLogger('vq')
        logger.addHandler(handler)
        with StopRequest() as stop:
            logger.warning('a line')
        logger.removeHandler(handler)
    assert stop and told.read_text().startswith('SIGTERM: finishing')


def test_a_second_signal_later_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, '_exit', ended.append)
    monkeypatch.setattr(guards, 'ECHO', 0.02)
    with StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert not ended
        time.sleep(0.03)
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended == [128 + signal.SIGTERM]


def test_a_second_signal_ends_a_real_process_at_once() -> None:
    process = start(STOP)
    try:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == '15'
        process.send_signal(signal.SIGTERM)  # an echo: it goes on
        time.sleep(0.4)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 128 + signal.SIGINT
    finally:
        end(process)
