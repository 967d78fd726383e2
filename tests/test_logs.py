"""Logs: everything to the file, what matters to the console; JSON lines."""

import json
import logging
import re
from pathlib import Path

import pytest

from tests.log import Records
from tests.ranks import run_ranks
from vq import distributed, logs

_logger = logging.getLogger('vq.runners.example')
pytestmark = pytest.mark.usefixtures('log')  # which puts the logger back


def say() -> None:
    """Say one thing on each level."""
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        _logger.log(level, 'said at %d', level)


def test_the_file_has_all_and_the_console_what_matters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(tmp_path / 'run')
    say()
    (file,) = (tmp_path / 'run').iterdir()
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.log', file.name)
    lines = file.read_text().splitlines()
    assert [line.split('said at ')[1] for line in lines] == ['10', '20', '30']
    pattern = r'\[\d{4}-.*\]\[test_logs.py:\d+\] WARNING: said at 30'
    assert re.fullmatch(pattern, lines[2])
    assert capsys.readouterr().out.splitlines() == lines[1:]


def test_setting_up_again_says_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(tmp_path / 'one')
    logs.set_up(tmp_path / 'two')
    say()
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert [p.read_text() for p in (tmp_path / 'one').iterdir()] == ['']


def say_on_rank(folder: Path) -> list[str]:
    """Say something on this rank; return the formats of its handlers."""
    logs.set_up(folder)
    say()
    handlers = logging.getLogger('vq').handlers
    assert len(handlers) == (2 if distributed.is_main() else 1)
    record = logging.LogRecord('vq', 30, 'x.py', 1, 'careful', (), None)
    return [f'{h.level} {h.format(record)}' for h in handlers]


def test_other_ranks_only_warn_and_are_named(tmp_path: Path) -> None:
    main, other = run_ranks(say_on_rank, 2, tmp_path)
    assert [line.split()[0] for line in main] == ['20', '0']
    assert other[0].startswith('30 [rank 1][')
    assert len(list(tmp_path.iterdir())) == 1


def test_json_lines_come_back_and_a_torn_last_one_does_not(tmp_path: Path) -> None:
    path, records = tmp_path / 'deep' / 'x.jsonl', [dict(a=1), dict(a=float('inf'))]
    assert logs.read_json_lines(path) == []
    for record in records:
        logs.append_json(path, record)
    assert logs.read_json_lines(path) == records
    with path.open('a') as file:
        file.write('{"a": 3')
    assert logs.read_json_lines(path) == records
    logs.write_json_lines(path, records[1:])
    assert path.read_text() == json.dumps(records[1]) + '\n'
    assert [p.name for p in path.parent.iterdir()] == ['x.jsonl']


def test_the_logger_is_recorded(log: Records) -> None:
    say()
    assert log.warnings == ['said at 30']
