"""Single config files: their options, and what they may not hold."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.errors import raises
from vq.config import load

Write = Callable[[str, str], Path]

DATA = "train_dataset = dict(type='Images')\n"


def test_options_keep_their_type(write: Write) -> None:
    path = write(
        'config.py',
        """
        "Describes {{$nothing}}."
        iters = '{{$iters:260000}}'
        _root = '{{$root:data/images}}'
        train_dataset = dict(type='Images', root=_root, split='s_{{$split:007}}_x',
                             name=f'{_root}/{{{{$split:007}}}}')
        model = dict(a='{{$a:None}}', b="{{$b:dict(x=(1, 2))}}", c="{{$c:{'k': {}}}}",
                     d='{{$d:}}')
        """,
    )
    assert load(path).trainer == dict(
        type='Trainer',
        model=dict(a=None, b=dict(x=(1, 2)), c={'k': {}}, d=''),
        dataset=dict(
            type='Images', root='data/images', split='s_007_x', name='data/images/007'
        ),
        iters=260000,
    )
    options = dict(
        iters=2e3, root='__import__("os")', split=8, a=[1], b={2}, c='{{', d=1
    )
    trainer = load(path, options=options).trainer
    assert [trainer.model[key] for key in 'abcd'] == [[1], {2}, '{{', 1]
    assert (trainer.iters, trainer.dataset.root) == (2e3, '__import__("os")')
    assert (trainer.dataset.split, trainer.dataset.name[-2:]) == ('s_8_x', '/8')


def test_an_option_may_choose_a_base(write: Write) -> None:
    write('configs/size/small.py', 'iters = 1')
    write('configs/size/large.py', 'iters = 2')
    path = write('configs/a.py', f"_base_ = 'size/{{{{$size:small}}}}.py'\n{DATA}")
    assert load(path).trainer.iters == 1
    assert load(path, options=dict(size='large')).trainer.iters == 2
    path = write('configs/deep/b.py', f"_base_ = '{{{{$base}}}}'\n{DATA}")
    typed = dict(base='configs/size/large.py')
    assert load(path, options=typed).trainer.iters == 2


def test_a_required_option_is_asked_for(write: Write) -> None:
    path = write('configs/decoder/vqgan.py', "it_config = '{{$it_config}}'\n" + DATA)
    assert raises('', lambda: load(path)) == (
        'configs/decoder/vqgan.py needs the option it_config: '
        'pass --config-options it_config::PATH'
    )
    assert load(path, options=dict(it_config='x.py')).trainer.dataset.type == 'Images'
    path = write('two.py', "model = dict(a='{{$size}}', b='{{$it_config}}/x')")
    raises(
        'options it_config, size|it_config::PATH size:VALUE|given: sise',
        lambda: load(path, options=dict(sise=3)),
    )


def test_an_undeclared_option_is_an_error(write: Write) -> None:
    write('base.py', "iters = '{{$iters:3}}'")
    path = write('config.py', f"_base_ = 'base.py'\n{DATA}")
    raises("config.py|'itters'|`iters`", lambda: load(path, options=dict(itters=3)))
    raises("'zzzz'|known: iters", lambda: load(path, options=dict(zzzz=3)))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('iters = 1\nmodel = dict(', "config.py, line 2|'(' was never closed"),
        ('\0', 'config.py cannot be read|null bytes'),
        ('\nreturn', 'config.py, line 2|return'),
        ('\nmodel = dict(a=nothing)', 'config.py, line 2: NameError|nothing'),
        ('import math', 'config.py, line 1|data only'),
        ('iters = 1\nfrom math import pi', 'config.py, line 2|data only'),
        ('def model():\n    pass', 'config.py: model is|function|data only'),
        ('model = dict(a=[dict(type=int)])', 'model.a[0].type|a type|data only'),
        ('model = {1.5: 2}', 'model has the key 1.5'),
        ('_base_ = 3', 'config.py: _base_ is a path or a list of paths, got 3'),
        ("_base_ = 'no/base.py'", "config.py|'no/base.py'|does not exist"),
        (
            'iters = {{_base_.iters}}',
            'config.py, line 1|_base_.iters|{{$name:default}}',
        ),
        ("iters = '{{_base_.iters}}'", 'config.py, line 1|{{$name:default}}|write the'),
        ("iters = '{{ _base_.x }}'", 'config.py, line 1|write the value out'),
        ('iters = _base_.iters * 2', 'config.py, line 1|_base_.iters|base files'),
        ("iters = '{{iters:3}}'", 'config.py, line 1|{{$name:default}}'),
        ('train_dataloadr = dict()', "config.py|'train_dataloadr'|`train_dataloader`"),
        ('helper = 3', "config.py|'helper'|starts with _"),
        ('model = 3\ntrain_dataset = {}', 'config.py: model is a dict, got 3'),
        ('train_callbacks = []\ntrain_dataset = {}', 'train_callbacks is a dict'),
    ],
)
def test_messages(write: Write, text: str, message: str) -> None:
    path = write('config.py', text)
    raises(message, lambda: load(path))
