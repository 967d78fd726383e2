"""When checkpoints are saved, which are kept, and what a failure does."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.log import Records
from tests.runs import toy_trainer
from vq import checkpoints
from vq.callbacks import CheckpointCallback
from vq.callbacks.base import Callback
from vq.checkpoints import CheckpointError
from vq.registry import CALLBACKS


def kept(root: Path) -> list[int]:
    """Return the iterations whose checkpoints are there, all of them good."""
    folders = checkpoints.list_checkpoints(root / 'checkpoints')
    assert [checkpoints.damage(folder) for folder in folders] == [None] * len(folders)
    return [checkpoints.iteration(folder) for folder in folders]


def train(root: Path, iters: int = 10, **options: Any) -> list[int]:
    """Train with a checkpoint callback; return what is kept."""
    callback = dict(type='CheckpointCallback', interval=2) | options
    toy_trainer(root, iters=iters, callbacks=[callback]).run()
    return kept(root)


PSNR = {'iter_2': 21.0, 'iter_4': 25.0, 'iter_6': 23.0, 'iter_99': 30.0}
BEST = dict(metric='psnr', mode='max')
TABLE: list[tuple[dict[str, Any], int, list[int]]] = [
    ({}, 10, [2, 4, 6, 8, 10]),
    ({}, 9, [2, 4, 6, 8, 9]),
    (dict(interval=20), 5, [5]),
    (dict(keep_last=1), 10, [10]),
    (dict(keep_last=2), 9, [8, 9]),
    (dict(keep_last=9), 10, [2, 4, 6, 8, 10]),
    (dict(keep_last=1, keep_every=4), 11, [4, 8, 11]),
    (dict(keep_every=4), 10, [2, 4, 6, 8, 10]),
    (dict(keep_last=1, keep_best=BEST), 10, [4, 10]),
    (dict(keep_last=1, keep_best=dict(BEST, mode='min')), 10, [2, 10]),
    (dict(keep_last=1, keep_best=dict(BEST, metric='fid')), 10, [10]),
    (dict(keep_last=1, keep_every=6, keep_best=BEST), 10, [4, 6, 10]),
]


@pytest.mark.parametrize(('options', 'iters', 'expected'), TABLE)
def test_what_is_kept(
    tmp_path: Path, options: dict[str, Any], iters: int, expected: list[int]
) -> None:
    records = [dict(checkpoint=name, psnr=value) for name, value in PSNR.items()]
    records += [dict(checkpoint='iter_4', fid=float('nan')), dict(other=1)]
    (tmp_path / 'val').mkdir()
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    (tmp_path / 'val' / 'metrics.jsonl').write_text(lines)
    assert train(tmp_path, iters, **options) == expected
    latest = tmp_path / 'checkpoints' / 'latest'
    assert latest.resolve().name == f'iter_{iters}'


@CALLBACKS.register_module()
class EveryThirdCallback(Callback):
    """Validates every third iteration, or says so."""

    validates = True
    interval = 3


def test_a_best_that_cannot_be_found_is_said(tmp_path: Path, log: Records) -> None:
    (tmp_path / 'val').mkdir()
    line = json.dumps(dict(checkpoint='iter_2', l1=0.5))
    (tmp_path / 'val' / 'metrics.jsonl').write_text(line)
    both = [
        dict(type='EveryThirdCallback'),
        dict(
            type='CheckpointCallback',
            interval=2,
            keep_last=1,
            keep_best=dict(metric='val/l1', mode='min'),
        ),
    ]
    toy_trainer(tmp_path, iters=2, callbacks=both).run()
    assert [text.split(';')[0] for text in log.warnings] == [
        'keep_best: checkpoints come every 2 iterations, validations every 3',
        "keep_best: no validation measures 'val/l1'",
    ]
    assert log.warnings[1].endswith('known: checkpoint, l1')


@pytest.mark.parametrize(
    'options',
    [
        dict(interval=0),
        dict(keep_last=0),
        dict(keep_best=dict(metric='psnr')),
        dict(keep_best=dict(metric='psnr', mode='most')),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=f'must be .*{list(options)[0]}|{list(options)[0]} '
    ):
        CheckpointCallback(**options)


def failing(monkeypatch: pytest.MonkeyPatch, iterations: set[int]) -> None:
    """Let the disk be full at some iterations."""
    write = checkpoints.write

    def fail(folder: Path, **arguments: Any) -> None:
        if checkpoints.iteration(folder) in iterations:
            raise CheckpointError(f'{folder} was not written: No space left on device')
        write(folder, **arguments)

    monkeypatch.setattr(checkpoints, 'write', fail)


def test_a_failing_save_is_logged_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    failing(monkeypatch, {4, 6})
    assert train(tmp_path, 9) == [2, 8, 9]
    errors = [text for text in log.warnings if 'No space left' in text]
    assert len(errors) == 2 and 'training goes on' in errors[0]


@pytest.mark.parametrize('iters', [9, 10])
def test_a_failing_last_save_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, iters: int
) -> None:
    failing(monkeypatch, {iters})
    with pytest.raises(CheckpointError, match='No space left'):
        train(tmp_path, iters)
    assert kept(tmp_path) == [2, 4, 6, 8]
    assert not (tmp_path / 'finished.json').exists()


def test_an_old_one_that_cannot_be_removed_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    rmtree = shutil.rmtree

    def busy(path: Path, **options: Any) -> None:
        if path.name.endswith('.removing'):
            raise OSError('busy')
        rmtree(path, **options)

    monkeypatch.setattr(shutil, 'rmtree', busy)
    assert train(tmp_path, 6, keep_last=1) == [6]
    assert [text.rsplit(' ', 1)[1] for text in log.warnings] == ['busy', 'busy']


def test_the_last_iteration_is_saved_once(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, callbacks=[dict(type='CheckpointCallback')])
    saved = []
    save = trainer.save
    trainer.save = lambda: saved.append(trainer.iteration) or save()  # type: ignore
    trainer.callbacks[0].interval = 2  # type: ignore[attr-defined]
    trainer.run()
    assert saved == [2, 4]
