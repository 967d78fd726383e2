"""Which checkpoint comes next: a table of states, and a folder that fills."""

from pathlib import Path
from typing import Any

import pytest

from tests.log import Records
from vq.runners import watch as watching
from vq.runners.watch import _decide, pending, watch


def make(root: Path, numbers: list[int], *, finished: bool = False) -> None:
    """Make checkpoint folders, and the mark of the end."""
    for number in numbers:
        (root / 'checkpoints' / f'iter_{number}').mkdir(parents=True)
    if finished:
        (root / 'finished.json').touch()


TABLE: list[tuple[list[int], list[int], list[int] | None, bool, bool, int | str]] = [
    # there, done, names, finished, forever -> the next one
    ([], [], None, False, False, 'wait'),
    ([], [], None, True, False, 'stop'),
    ([], [], None, True, True, 'wait'),
    ([9, 10], [], None, False, False, 9),
    ([9, 10], [9], None, False, False, 10),
    ([9, 10], [9, 10], None, False, False, 'wait'),
    ([9, 10], [9], None, True, False, 10),
    ([9, 10], [9, 10], None, True, False, 'stop'),
    ([9, 10], [9, 10], None, True, True, 'wait'),
    ([9, 10], [10], None, False, True, 9),
    ([9, 10], [], [10], False, False, 10),
    ([9, 10], [10], [10], False, False, 'stop'),
    ([9, 10], [10], [10], False, True, 'stop'),
    ([9], [], [10], False, False, 'wait'),
    ([9], [], [10], True, False, 'stop'),
    ([9], [], [10], True, True, 'wait'),
    ([9, 10], [10], [10, 11], False, False, 'wait'),
    ([9, 10], [10], [10, 11], True, False, 'stop'),
    ([9, 10], [], [], False, False, 'stop'),
]


@pytest.mark.parametrize(
    ('there', 'done', 'names', 'finished', 'forever', 'expected'), TABLE
)
def test_decisions(
    tmp_path: Path,
    there: list[int],
    done: list[int],
    names: list[int] | None,
    finished: bool,
    forever: bool,
    expected: int | str,
) -> None:
    make(tmp_path, there, finished=finished)
    decision = _decide(
        tmp_path,
        done={f'iter_{i}' for i in done},
        names=None if names is None else [f'iter_{i}' for i in names],
        forever=forever,
    )
    if isinstance(expected, int):
        assert decision == tmp_path / 'checkpoints' / f'iter_{expected}'
    else:
        assert decision == expected


def test_what_never_came_is_named(tmp_path: Path, log: Records) -> None:
    make(tmp_path, [1], finished=True)
    names = ['iter_1', 'iter_20', 'iter_10']
    found = list(watch(tmp_path, names=names))
    assert [path.name for path in found] == ['iter_1']
    assert log.warnings == ['the training has finished without iter_10, iter_20']


def test_it_waits_for_new_ones_and_yields_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    events: list[Any] = [
        lambda: make(tmp_path, [2]),
        lambda: None,
        lambda: make(tmp_path, [3, 10], finished=True),
    ]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        events.pop(0)()

    monkeypatch.setattr(watching.time, 'sleep', sleep)
    found = [path.name for path in watch(tmp_path, pause=3)]
    assert found == ['iter_2', 'iter_3', 'iter_10']
    assert pauses == [3, 3, 3]
    waiting = f'waiting for checkpoints in {tmp_path / "checkpoints"}'
    assert log.texts() == [waiting, waiting]  # once for each wait, not each look


def test_unfinished_folders_and_links_are_not_pending(tmp_path: Path) -> None:
    make(tmp_path, [1])
    root = tmp_path / 'checkpoints'
    (root / '.iter_2.writing').mkdir()
    (root / 'latest').symlink_to('iter_1')
    assert pending(root, done=set()) == [root / 'iter_1']
