"""`python -m vq.config` shows values beside their sources, then checks them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vq.config import load
from vq.config.__main__ import main

Write = Callable[[str, str], Path]

CONFIG = """
_base_ = 'base.py'
model = dict(type='System', decoder=dict(width='{{$width:8}}'))
train_dataset = dict(type='Anything')
"""


@pytest.fixture
def config(write: Write, classes: None) -> str:
    write('base.py', "model = dict(decoder=dict(type='Decoder', depth=2))")
    return str(write('config.py', CONFIG))


def test_each_value_stands_beside_its_source(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([config, '--config-options', 'width:4', '--override', '.trainer.iters:3'])
    assert capsys.readouterr().out == (
        'trainer = dict(\n'
        "    type='Trainer',                 # default\n"
        '    model=dict(\n'
        '        decoder=dict(\n'
        "            type='Decoder',         # base.py\n"
        '            depth=2,                # base.py\n'
        '            width=4,                # --config-options width:4\n'
        '        ),\n'
        "        type='System',              # config.py\n"
        '    ),\n'
        "    dataset=dict(type='Anything'),  # config.py\n"
        '    iters=3,                        # --override .trainer.iters:3\n'
        ')\n'
    )


def test_one_part_can_be_shown(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([config, '--key', '.trainer.model.decoder'])
    assert capsys.readouterr().out == (
        'trainer.model.decoder = dict(\n'
        "    type='Decoder',  # base.py\n"
        '    depth=2,         # base.py\n'
        '    width=8,         # config.py\n'
        ')\n'
    )
    main([config, '--key', '.trainer.model.decoder.depth', '--plain'])
    assert capsys.readouterr().out == 'trainer.model.decoder.depth = 2\n'


def test_plain_output_is_the_dump(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([config, '--plain'])
    assert load(config).text.endswith('\n\n' + capsys.readouterr().out)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--override', '.trainer.modle.x:1'], '`model`'),
        (['--override', '.trainer.model.decoder.widht:1'], '`width`'),
        (['--config-options', 'widht:1'], '`width`'),
        (['--config-options', 'width:x'], 'width::x'),
        (['--key', '.trainr'], '`trainer`'),
    ],
)
def test_errors_are_short(config: str, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as info:
        main([config, *arguments])
    assert message in str(info.value.code)


def test_help_is_light() -> None:
    code = (
        'import sys\n'
        'from vq.cli import config_parser\n'
        'config_parser().format_help()\n'
        "heavy = {'torch', 'mmengine', 'numpy', 'vq.registry'} & set(sys.modules)\n"
        'assert not heavy, heavy\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
