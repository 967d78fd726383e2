"""Command lines: every flag of every command, and help without heavy imports."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vq import cli

Parser = Callable[[], argparse.ArgumentParser]
BOTH = ['NAME', 'configs/x.py']
COMMON: list[tuple[list[str], dict[str, Any]]] = [
    (BOTH, dict(name='NAME', config='configs/x.py', dry_run=False)),
    ([*BOTH, '--config-options', 'a:1', 'b::x'], dict(config_options=['a:1', 'b::x'])),
    (
        [*BOTH, '--override', '.a:1', '.b[-1]:dict()'],
        dict(override=['.a:1', '.b[-1]:dict()']),
    ),
    ([*BOTH, '--override'], dict(override=[])),
    (['--override', '.a:1', '--autocast', *BOTH], dict(override=['.a:1'], name='NAME')),
    (BOTH, dict(config_options=[], override=[], autocast=False, load_model_from=[])),
    ([*BOTH, '--autocast'], dict(autocast=True)),
    ([*BOTH, '--load-model-from', 'a', 'b'], dict(load_model_from=['a', 'b'])),
    ([*BOTH, '--dry-run'], dict(dry_run=True)),
]
VALIDATION: list[tuple[list[str], dict[str, Any]]] = [
    ([*BOTH, '--visual', 'image|.*'], dict(visual='image|.*')),
    ([*BOTH, '--tokenize', '--ema'], dict(tokenize=True, ema=True)),
    (BOTH, dict(visual=None, tokenize=False, ema=False)),
]
OWN: dict[Parser, list[tuple[list[str], dict[str, Any]]]] = {
    cli.train_parser: [
        (BOTH, dict(seed=3407, load_from=None, auto_resume=False)),
        ([*BOTH, '--seed', '7'], dict(seed=7)),
        (
            [*BOTH, '--load-from', 'w/iter_3', '--auto-resume'],
            dict(load_from='w/iter_3'),
        ),
        ([*BOTH, '--auto-resume'], dict(auto_resume=True)),
    ],
    cli.val_parser: [
        *VALIDATION,
        (BOTH, dict(load_from=None, watch=False)),
        (
            [*BOTH, '--load-from', 'iter_1', 'iter_2'],
            dict(load_from=['iter_1', 'iter_2']),
        ),
        ([*BOTH, '--watch'], dict(watch=True)),
    ],
    cli.test_parser: VALIDATION,
    cli.tokenize_parser: [
        (BOTH, dict(train=False, ema=False)),
        ([*BOTH, '--train', '--ema'], dict(train=True, ema=True)),
    ],
}
CASES = [
    (parser, words, expected)
    for parser, own in OWN.items()
    for words, expected in [*COMMON, *own]
]


@pytest.mark.parametrize(('parser', 'words', 'expected'), CASES)
def test_flags_parse(
    parser: Parser, words: list[str], expected: dict[str, Any]
) -> None:
    found = vars(parser().parse_args(words))
    assert {key: found[key] for key in expected} == expected


def test_inference_takes_pictures_and_options() -> None:
    words = [
        'c.py',
        'a.png',
        'b.jpg',
        '--load-model-from',
        'm.pth',
        '--ema',
        '--no-crop',
        '--out',
        'o',
    ]
    found = vars(cli.inference_parser().parse_args(words))
    assert (found['config'], found['images']) == ('c.py', ['a.png', 'b.jpg'])
    assert (found['load_model_from'], found['out']) == (['m.pth'], 'o')
    assert found['ema'] and found['no_crop'] and not found['autocast']


def test_generate() -> None:
    words = ['c.py', '--load-model-from', 'm', '--classes', '207', '360', '--ema']
    words += ['--cfg', '1', '1.5', '--top-k', '0', '--cfg-schedule', 'linear']
    found = vars(cli.generate_parser().parse_args(words))
    assert (found['config'], found['classes']) == ('c.py', [207, 360])
    assert (found['cfg'], found['top_k']) == ([1.0, 1.5], [0])
    assert (found['cfg_schedule'], found['seed'], found['steps']) == ('linear', 0, 8)
    # What is not given, the config says.
    given = ('cfg_power', 'cfg_tokens', 'temperature', 'top_p', 'number', 'batch_size')
    assert not any(found[key] is not None for key in given)
    assert found['ema'] and not found['npz'] and not found['compile']
    words = ['c.py', '--edit', 'a.png', '--box', '1', '2', '3', '4']
    assert vars(cli.generate_parser().parse_args(words))['box'] == [1, 2, 3, 4]


def test_export() -> None:
    words = ['c.py', '--load-model-from', 'm.pth', '--format', 'taming', '--ema']
    found = vars(cli.export_parser().parse_args(words))
    assert (found['config'], found['load_model_from']) == ('c.py', ['m.pth'])
    assert (found['format'], found['ema'], found['image_size']) == ('taming', True, 256)
    assert found['out'] is None and not found['dry_run']


def test_compare() -> None:
    words = ['a', 'b_test', '--metrics', 'psnr', 'fid', '--sort', 'fid']
    found = vars(cli.compare_parser().parse_args(words))
    assert (found['runs'], found['metrics']) == (['a', 'b_test'], ['psnr', 'fid'])
    assert (found['sort'], found['checkpoints']) == ('fid', 'last')
    assert (found['format'], found['out']) == ('text', None)


def test_fid_takes_a_data_set_and_both_names_of_its_strategy() -> None:
    found = vars(cli.fid_parser().parse_args(['imagenet']))
    assert found == dict(
        dataset='imagenet',
        train=False,
        features=None,
        name=None,
        force=False,
        config_options=[],
        override=[],
        strategy='ddp',
        autocast=False,
        dry_run=False,
    )
    words = ['imagenet', '--train', '--override', '.dataloader.batch_size:1024']
    words += ['--features', '10000', '--name', 'x', '--force', '--strategy', 'cuda']
    found = vars(cli.fid_parser().parse_args([*words, '--autocast', '--dry-run']))
    assert found['override'] == ['.dataloader.batch_size:1024']
    assert (found['features'], found['name'], found['strategy']) == (10000, 'x', 'cuda')
    assert all(found[flag] for flag in ('train', 'force', 'autocast', 'dry_run'))


@pytest.mark.parametrize('parser', [*OWN, cli.inference_parser])
@pytest.mark.parametrize('words', [[], ['NAME'], [*BOTH, '--no-such-flag']])
def test_wrong_lines_are_refused_with_the_usage(
    parser: Parser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f'usage: {parser().prog} ')


MODULES = {
    'vq.train': cli.train_parser,
    'vq.val': cli.val_parser,
    'vq.test': cli.test_parser,
    'vq.inference': cli.inference_parser,
    'vq.generate': cli.generate_parser,
    'vq.edit': cli.edit_parser,
    'vq.tasks.image_tokenization.tokenize': cli.tokenize_parser,
    'vq.export': cli.export_parser,
    'vq.compare': cli.compare_parser,
}
HEAVY = {'torch', 'torchvision', 'mmengine', 'numpy', 'PIL', 'cv2', 'einops'}


@pytest.mark.parametrize('module', MODULES)
def test_help_imports_nothing_heavy(module: str) -> None:
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', '-m', module, '--help'],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        env={'PATH': '', 'COLUMNS': '80'},
    )
    assert done.returncode == 0
    lines = [
        line for line in done.stderr.splitlines() if line.startswith('import time:')
    ]
    imported = {line.rsplit('|', 1)[1].strip().split('.')[0] for line in lines}
    assert 'argparse' in imported and not imported & HEAVY
    assert done.stdout.startswith(f'usage: {MODULES[module]().prog} ')
