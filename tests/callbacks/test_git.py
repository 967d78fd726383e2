"""What a run was made with: logged, and the diff saved."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.log import Records
from tests.runs import toy_trainer
from vq.callbacks import git

ANSWERS = {('rev-parse', 'HEAD'): 'abc123', ('diff', 'HEAD'): '-old\n+new'}


def run(folder: Path) -> list[Path]:
    """Let the callback act; return the diffs that it wrote."""
    trainer = toy_trainer(folder, callbacks=[dict(type='GitCallback')])
    folder.mkdir(exist_ok=True)
    trainer.callbacks[0].before_run(trainer)
    return sorted(folder.glob('git_diff_*.log'))


def answer(monkeypatch: pytest.MonkeyPatch, answers: dict[Any, str | None]) -> None:
    """Let git answer as given."""
    monkeypatch.setattr(git, '_git', lambda *words: answers[words])


def test_commit_and_diff_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    answer(monkeypatch, ANSWERS)
    monkeypatch.setattr(sys, 'orig_argv', ['python', '-m', 'vq.train', "it's"])
    (diff,) = run(tmp_path)
    assert diff.read_text() == '-old\n+new\n'
    text = '\n'.join(log.texts())
    assert "command: python -m vq.train 'it'\"'\"'s'" in text
    assert f'torch {torch.__version__}' in text and '1 ranks' in text
    assert 'git: abc123' in text and str(diff) in text


def test_without_changes_there_is_no_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    answer(monkeypatch, ANSWERS | {('diff', 'HEAD'): ''})
    assert run(tmp_path) == []
    assert log.texts()[-1] == 'git: abc123'


def test_without_git_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    monkeypatch.setattr(git, 'ROOT', tmp_path)  # no checkout
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert run(tmp_path) == []
    assert log.texts()[-1] == 'git: not a checkout'
    monkeypatch.setenv('PATH', '')
    assert git._git('rev-parse', 'HEAD') is None
