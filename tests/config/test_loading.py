"""Chains of files merge; every leaf knows its source; overrides come last."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.errors import raises
from vq.config import Config, apply_overrides, load

Write = Callable[[str, str], Path]

DATA = "train_dataset = dict(type='Images')\n"


def test_a_chain_of_bases_merges_in_order(write: Write) -> None:
    write('base/one.py', 'model = dict(type="A", width=1, part=dict(x=1, y=[1, 2]))')
    write('base/two.py', 'model = dict(width=2, part=dict(y=[3]))\niters = 5')
    path = write(
        'config.py',
        """
        _base_ = ['base/one.py', 'base/two.py']
        model = dict(part=dict(z=None))
        train_dataset = dict(type='Images')
        """,
    )
    assert load(path).tree == dict(
        trainer=dict(
            type='Trainer',
            model=dict(type='A', width=2, part=dict(x=1, y=[3], z=None)),
            dataset=dict(type='Images'),
            iters=5,
        )
    )


def test_a_base_is_found_beside_its_file_before_the_root(write: Write) -> None:
    write('base.py', 'iters = 1')
    write('folder/base.py', 'iters = 2')
    write('other.py', 'model = dict(a=1)')
    path = write('folder/config.py', f"_base_ = ['base.py', 'other.py']\n{DATA}")
    trainer = load(path).trainer
    assert (trainer.iters, trainer.model) == (2, dict(a=1))


def test_a_shared_base_does_not_undo_what_came_after_it(write: Write) -> None:
    write('shared.py', 'iters = 1')
    write('left.py', "_base_ = 'shared.py'\niters = 2")
    write('right.py', "_base_ = 'shared.py'\nmodel = dict(a=1)")
    path = write('config.py', f"_base_ = ['left.py', 'right.py']\n{DATA}")
    assert load(path).trainer.iters == 2


def test_a_relative_path_is_one_of_the_repository(write: Write) -> None:
    path = write('configs/config.py', DATA)
    config = load('configs/config.py')
    assert config.path == path
    raises('configs/no.py', lambda: load('configs/no.py'))


@pytest.mark.parametrize(
    ('base', 'child', 'expected'),
    [
        ('dict(a=1, b=2)', 'dict(_delete_=True, c=3)', dict(c=3)),
        ('dict(a=1)', 'dict(_delete_=False, c=3)', dict(a=1, c=3)),
        ('dict(p=dict(a=1))', 'dict(p=dict(_delete_=True))', dict(p=dict())),
        ('dict(p=3)', 'dict(p=dict(_delete_=True, a=1))', dict(p=dict(a=1))),
        ('dict(p=dict(a=1))', 'dict(p=None)', dict(p=None)),
        ('dict(p=None)', 'dict(p=dict(a=1))', dict(p=dict(a=1))),
        ('dict(p=1)', 'dict(p=0.5)', dict(p=0.5)),
        ('dict(p=[1])', 'dict(p="x")', dict(p='x')),
        ('dict(p=dict())', 'dict(p=dict(a=1))', dict(p=dict(a=1))),
        ('dict()', 'dict(p=dict(_delete_=True, a=1))', dict(p=dict(a=1))),
    ],
)
def test_merging(write: Write, base: str, child: str, expected: object) -> None:
    write('base.py', f'model = {base}\n{DATA}')
    path = write('config.py', f"_base_ = 'base.py'\nmodel = {child}")
    assert load(path).trainer.model == expected


@pytest.mark.parametrize(
    ('base', 'child'),
    [('dict(p=dict(a=1))', 'dict(p=3)'), ('dict(p=3)', 'dict(p=dict(a=1))')],
)
def test_a_dict_and_a_number_do_not_merge(write: Write, base: str, child: str) -> None:
    write('base.py', f'model = {base}')
    path = write('config.py', f"_base_ = 'base.py'\nmodel = {child}")
    raises('model.p|base.py|config.py|_delete_|3', lambda: load(path))


def test_sources_name_files_options_and_flags(write: Write) -> None:
    write('base.py', "model = dict(type='A', part=dict(x=1), levels=[8, 5, 5])")
    path = write(
        'config.py',
        """
        _base_ = 'base.py'
        _it = '{{$it}}'
        model = dict(part=dict(y=2, path=_it + '/x'), empty={})
        train_dataset = dict(type='Images', stages=[dict(p=1), dict(p=2)])
        iters = '{{$iters:10}}'
        """,
    )
    overrides = ['.trainer.dataset.stages[-1].p:3', '.trainer.model.levels:(8, 8)']
    config = load(path, options=dict(it='a'), overrides=overrides)
    assert config.sources == {
        ('trainer', 'type'): 'default',
        ('trainer', 'model', 'type'): 'base.py',
        ('trainer', 'model', 'part', 'x'): 'base.py',
        ('trainer', 'model', 'part', 'y'): 'config.py',
        ('trainer', 'model', 'part', 'path'): '--config-options it::a',
        ('trainer', 'model', 'levels'): '--override .trainer.model.levels:(8, 8)',
        ('trainer', 'model', 'empty'): 'config.py',
        ('trainer', 'dataset', 'type'): 'config.py',
        ('trainer', 'dataset', 'stages'): 'config.py',
        ('trainer', 'dataset', 'stages', 1, 'p'): (
            '--override .trainer.dataset.stages[-1].p:3'
        ),
        ('trainer', 'iters'): 'config.py',
    }
    assert config.sources.of(('trainer', 'dataset', 'stages', 0, 'p')) == 'config.py'
    assert config.sources.of(('trainer', 'nothing')) == ''


def test_files_that_are_bases_of_each_other(write: Write) -> None:
    write('a.py', "_base_ = 'b.py'")
    path = write('b.py', "_base_ = 'a.py'")
    raises('b.py -> a.py -> b.py', lambda: load(path))


def test_a_missing_half_is_told_when_it_is_asked_for(write: Write) -> None:
    config = load(write('config.py', DATA))
    assert ('trainer' in config, 'validator' in config) == (True, False)
    raises('config.py has no validator|val_dataset', lambda: config.validator)


def test_overrides_come_as_words_or_as_values(write: Write) -> None:
    path = write('config.py', f'{DATA}iters = 1')
    words = load(path, overrides=['.trainer.iters:1', '.trainer.iters:7'])
    values = load(path, overrides={'.trainer.iters': 7})
    assert words == values
    assert values.trainer.iters == 7


def test_an_override_of_none_drops_a_callback_or_a_metric(write: Write) -> None:
    path = write(
        'config.py',
        """
        train_dataset = dict(type='Images')
        val_dataset = dict(type='Images')
        train_callbacks = dict(a=dict(type='A'), b=dict(type='B', p=1),
                               c=dict(type='C'))
        val_metrics = dict(psnr=dict(type='PSNR'), ssim=dict(type='SSIM'))
        """,
    )
    none = {'.trainer.callbacks[0]': None, '.validator.metrics.psnr': None}
    config = load(path, overrides={'.trainer.callbacks[1].p': 2} | none)
    assert [callback.type for callback in config.trainer.callbacks] == ['B', 'C']
    assert list(config.validator.metrics) == ['ssim']
    source = config.sources[('trainer', 'callbacks', 0, 'p')]
    assert source == '--override .trainer.callbacks[1].p:2'
    assert ('trainer', 'callbacks', 2, 'type') not in config.sources


def test_an_override_of_none_drops_a_runner(write: Write) -> None:
    path = write('config.py', DATA + DATA.replace('train', 'val'))
    config = load(path, overrides={'.trainer': None})
    assert list(config.tree) == ['validator']
    assert {key[0] for key in config.sources} == {'validator'}


def test_overrides_of_a_loaded_config_and_of_a_part(write: Write) -> None:
    config = load(write('config.py', f'{DATA}iters = 1'))
    apply_overrides(config, ['.trainer.iters:2'])
    assert config.trainer.iters == 2
    assert config.sources[('trainer', 'iters')] == '--override .trainer.iters:2'
    apply_overrides(config.trainer, {'.dataset.crop': dict(type='Crop', size=8)})
    assert config.trainer.dataset.crop.size == 8
    assert type(config.trainer.dataset.crop) is type(config.trainer)


def test_two_configs_are_equal_if_they_say_the_same(write: Write) -> None:
    one, two = write('one.py', DATA), write('two.py', f'{DATA}iters = None')
    assert load(one) == load(two)
    assert isinstance(load(one), Config)
    assert load(one) != load(one, overrides={'.trainer.iters': 3})


def test_loading_does_not_import_torch(write: Write) -> None:
    path = write('config.py', DATA)
    code = (
        'import sys, vq.config\n'
        "heavy = {'torch', 'mmengine', 'numpy'} & set(sys.modules)\n"
        'assert not heavy, heavy\n'
        f'vq.config.load({str(path)!r}, overrides=[".trainer.iters:3"]).text\n'
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
