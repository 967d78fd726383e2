"""What commands share: flags end in the config, errors in one line."""

import argparse
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.integration import tiny_vqgan
from tests.log import Records
from tests.runs import TINY
from vq import cli, commands, dry_run, logs, paths
from vq.config import Config, ConfigError

pytestmark = pytest.mark.usefixtures('log')  # which puts the logger back


def arguments(*words: str, parser: Any = cli.val_parser) -> argparse.Namespace:
    """Parse the words that follow the name and the tiny config."""
    return parser().parse_args(['run', str(TINY), *words])


def loaded(*words: str) -> Config:
    """Load the tiny config with flags, as `vq.val` does."""
    args = arguments(*words)
    config = commands.load_config(args, halves=['trainer', 'validator'])
    commands.add_validation(config, args)
    return config


def changes(one: Any, other: Any, path: str = '') -> dict[str, Any]:
    """Return what differs in `other`, by path."""
    if isinstance(one, dict) and isinstance(other, dict):
        found: dict[str, Any] = {}
        for key in {**one, **other}:
            found |= changes(one.get(key), other.get(key), f'{path}.{key}')
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = {}
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            found |= changes(a, b, f'{path}[{i}]')
        return found
    return {} if one == other else {path: other}


def differences(*words: str) -> dict[str, Any]:
    """Return what the flags change in the whole config."""
    return changes(loaded().tree.to_dict(), loaded(*words).tree.to_dict())


LOG = dict(type='LogCallback', interval=2)


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ([], {}),
        (
            ['--autocast'],
            {f'.{half}.strategy.autocast': 'auto' for half in ('trainer', 'validator')},
        ),
        (['--ema'], {'.validator.ema': True}),
        (['--tokenize'], {'.validator.callbacks': [LOG, dict(type='TokenCallback')]}),
        (
            ['--visual', 'image', '--tokenize'],
            {
                '.validator.callbacks': [
                    LOG,
                    dict(type='VisualCallback', pattern='image'),
                    dict(type='TokenCallback'),
                ]
            },
        ),
        (['--override', '.trainer.iters:5'], {'.trainer.iters': 5}),
    ],
)
def test_flags_end_in_the_config(words: list[str], expected: dict[str, Any]) -> None:
    assert differences(*words) == expected


def test_a_dry_run_is_smaller_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loaded().tree.to_dict()
    monkeypatch.setenv('DRY_RUN', 'True')
    small = loaded('--override', '.trainer.dataloader.num_workers:3').tree.to_dict()
    assert changes(whole, small) == {
        '.trainer.dataloader.batch_size': 2,
        '.validator.dataloader.batch_size': 2,
        '.trainer.iters': 8,
        '.validator.callbacks[0].interval': 1,
    } | {
        # Sheets take long: there is one.
        f'.trainer.callbacks[{i}].interval': 8
        if callback['type'] == 'ImagesCallback'
        else 1
        for i, callback in enumerate(whole['trainer']['callbacks'])
        if 'interval' in callback
    }


def test_a_trainer_that_validates_makes_the_validator_small_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')

    def sizes(*words: str) -> tuple[int, int]:
        args = arguments('--override', '.trainer.iters:9', *words)
        config = commands.load_config(args, halves=['trainer'])
        intervals = {c.type: c.get('interval') for c in config.trainer.callbacks}
        last = intervals.get('ValidationCallback', 0)
        return config.validator.dataloader.batch_size, last

    validates = ".trainer.callbacks[2]:dict(type='ValidationCallback')"
    assert sizes() == (4, 0)
    assert sizes(validates) == (dry_run.BATCH_SIZE, dry_run.ITERATIONS)


def test_a_trainer_validates_in_the_precision_of_vq_val() -> None:
    validates = ".trainer.callbacks[2]:dict(type='ValidationCallback')"
    args = arguments('--override', validates, '--autocast')
    config = commands.load_config(args, halves=['trainer'])
    alone = commands.load_config(arguments(), halves=['validator'])
    assert config.validator == alone.validator
    assert config.trainer.strategy.autocast == 'auto'


@pytest.mark.parametrize(
    ('batch_size', 'accumulate', 'world_size', 'expected'),
    [(64, 1, 1, 2), (1, 1, 1, 1), (64, 4, 1, 4), (64, 1, 3, 3), (64, 2, 2, 4)],
)
def test_a_dry_runs_batch_can_be_shared(
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    accumulate: int,
    world_size: int,
    expected: int,
) -> None:
    monkeypatch.setattr(commands.distributed, 'world_size', lambda: world_size)
    half = dict(dataloader=dict(batch_size=batch_size), accumulate=accumulate)
    found = commands._smaller(half, '.trainer')['.trainer.dataloader.batch_size']
    assert found == expected
    assert found % (world_size * accumulate) == 0


def test_a_wrong_override_is_found_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match='did you mean `iters`'):
        loaded('--override', '.trainer.iterz.x:5')


def test_weights_are_needed_but_in_a_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'm.pth').touch()
    words = ['--load-model-from', str(tmp_path / 'm.pth')]
    assert commands.weight_files(arguments(*words)) == [tmp_path / 'm.pth']
    with pytest.raises(ConfigError, match='pass --load-model-from PATH'):
        commands.weight_files(arguments())
    monkeypatch.setenv('DRY_RUN', '1')
    assert commands.weight_files(arguments()) == []


def test_a_trainers_first_weights_may_be_missing_in_a_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'm.pth').touch()
    names = [str(tmp_path / 'm.pth'), str(tmp_path / 'n.pth')]
    assert commands.first_weights(names[:1]) == [tmp_path / 'm.pth']
    with pytest.raises(FileNotFoundError, match='.trainer.weights: .*n.pth does not'):
        commands.first_weights(names)
    monkeypatch.setenv('DRY_RUN', '1')
    assert commands.first_weights(names) == [tmp_path / 'm.pth']


@pytest.mark.parametrize('error', [ConfigError, OSError, commands.NonFiniteError])
def test_users_errors_are_one_line_and_a_traceback_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: type[Exception]
) -> None:
    def function(args: argparse.Namespace) -> None:
        logs.set_up(tmp_path)
        raise error('the config is wrong')

    with pytest.raises(SystemExit) as caught:
        commands.command(function)(arguments())
    assert caught.value.code == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f'ERROR: {error.__name__}: the config is wrong')
    text = next(tmp_path.glob('*.log')).read_text()
    assert 'Traceback' in text and 'in function' in text


def test_bugs_keep_their_traceback() -> None:
    def function(args: argparse.Namespace) -> None:
        raise RuntimeError('a bug')

    with pytest.raises(RuntimeError, match='a bug'):
        commands.command(function)(arguments())


def test_the_dry_run_flag_is_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRY_RUN', '')
    seen = []
    commands.command(lambda args: seen.append(dry_run.enabled()))(arguments())
    commands.command(lambda args: seen.append(dry_run.enabled()))(
        arguments('--dry-run')
    )
    assert seen == [False, True]


def test_build_and_dump_make_a_run_that_loads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    config = loaded()
    trainer = commands.build(config, 'trainer', name='a/b', seed=5)
    commands.dump(config, trainer.work_dir)
    folder = tmp_path / 'work_dirs' / 'a' / 'b'
    assert (trainer.work_dir, trainer.job.seed) == (folder, 5)
    again = commands.load_config(
        cli.val_parser().parse_args(['run', str(folder / TINY.name)]),
        halves=['trainer', 'validator'],
    )
    assert again == config
    assert again.trainer.iters == tiny_vqgan.iters
    handlers = logging.getLogger('vq').handlers
    files = [h.baseFilename for h in handlers if isinstance(h, logging.FileHandler)]
    assert [Path(file).parent for file in files] == [folder]
