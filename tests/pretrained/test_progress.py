"""Progress moves on a terminal and is sparse elsewhere."""

import io

import pytest

from vq.pretrained import progress as module
from vq.pretrained.progress import Progress, duration, human


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list whose only item is the time."""
    now = [0.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    return now


def test_speed_and_time_left(clock: list[float]) -> None:
    progress = Progress(label='x.pth', total=400, done=100, stream=io.StringIO())
    clock[0] = 2.0
    progress.add(100)  # 100 bytes in 2 s; 200 are left
    assert progress.text() == 'x.pth   50% of 400 bytes  50 bytes/s  0:04 left'
    unknown = Progress(label='x', total=None, stream=io.StringIO())
    assert unknown.text() == 'x  0 bytes  0 bytes/s'


def test_a_pipe_gets_a_line_a_tenth(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = Progress(label='x', total=1000, stream=stream)
    for _ in range(1000):
        clock[0] += 0.001
        progress.add(1)
    progress.close()
    assert stream.getvalue().count('\n') == 10
    assert '\r' not in stream.getvalue()


def test_a_slow_one_is_not_silent(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = Progress(label='x', total=10**9, stream=stream)
    clock[0] = module.SILENCE
    progress.add(1)
    assert stream.getvalue().startswith('x    0% of 1.00 GB')


def test_a_terminal_gets_one_moving_line(clock: list[float]) -> None:
    stream = Terminal()
    progress = Progress(label='x', total=1000, stream=stream)
    for _ in range(1000):
        clock[0] += 0.001
        progress.add(1)
    progress.close()
    text = stream.getvalue()
    assert text.count('\n') == 1 and text.endswith('\n')
    assert 9 <= text.count('\r') <= 11
    assert '100% of 1.0 kB' in text


@pytest.mark.parametrize(
    ('count', 'text'),
    [
        (7, '7 bytes'),
        (7289, '7.3 kB'),
        (553_433_881, '553.4 MB'),
        (1.52e9, '1.52 GB'),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert human(count) == text


def test_durations() -> None:
    assert [duration(s) for s in (4, 65, 7210)] == ['0:04', '1:05', '2:00:10']


def test_other_things_than_bytes(clock: list[float]) -> None:
    progress = Progress(
        label='reading',
        total=3000,
        stream=io.StringIO(),
        describe=lambda number: f'{number:,.0f} images',
    )
    clock[0] = 1.0
    progress.add(1500)
    expected = 'reading   50% of 3,000 images  1,500 images/s  0:01 left'
    assert progress.text() == expected
