"""Fragments become a trainer's and a validator's config."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vq.config import ConfigError, load

Write = Callable[[str, str], Path]

EVERYTHING = """
model = dict(type='VQGAN', decoder=dict(type='D', width=8), loss=dict(type='L'))
val_model = dict(loss=None, decoder=dict(_delete_=True, type='E'))
train_dataset = dict(type='Train')
val_dataset = dict(type='Val')
train_dataloader = dict(batch_size=4)
val_dataloader = dict(batch_size=2)
optimizers = dict(generator=dict(type='Adam', lr=1e-4))
schedulers = dict(generator=dict(type='LinearLR'))
iters = 100
train_callbacks = dict(checkpoint=dict(type='C'), log=dict(type='Log'), git=None)
val_callbacks = dict(log=dict(type='Log'))
val_metrics = dict(fid=dict(type='FID'), psnr=None)
strategy = dict(type='DDP', static=True)
val_strategy = dict(static=False)
trainer = dict(accumulate=2)
validator = dict(type='Tokenizer', strategy=dict(extra=1))
"""


def test_every_fragment_has_its_place(write: Write) -> None:
    config = load(write('config.py', EVERYTHING))
    assert config.trainer == dict(
        type='Trainer',
        model=dict(type='VQGAN', decoder=dict(type='D', width=8), loss=dict(type='L')),
        dataset=dict(type='Train'),
        dataloader=dict(batch_size=4),
        optimizers=dict(generator=dict(type='Adam', lr=1e-4)),
        schedulers=dict(generator=dict(type='LinearLR')),
        iters=100,
        callbacks=[dict(type='Log'), dict(type='C')],
        strategy=dict(type='DDP', static=True),
        accumulate=2,
    )
    assert config.validator == dict(
        type='Tokenizer',
        model=dict(type='VQGAN', decoder=dict(type='E'), loss=None),
        dataset=dict(type='Val'),
        dataloader=dict(batch_size=2),
        metrics=dict(fid=dict(type='FID')),
        callbacks=[dict(type='Log')],
        strategy=dict(type='DDP', static=False, extra=1),
    )


def test_what_writes_comes_behind_what_acts(write: Write) -> None:
    names = ('checkpoint', 'log', 'git', 'images', 'ema')
    callbacks = {name: {'type': name} for name in names}
    text = f'{EVERYTHING}train_callbacks = {callbacks}'
    config = load(write('config.py', text))
    types = [callback.type for callback in config.trainer.callbacks]
    assert types == ['git', 'ema', 'log', 'images', 'checkpoint']


def test_sources_follow_the_fragments(write: Write) -> None:
    write('base.py', EVERYTHING)
    path = write(
        'config.py', "_base_ = 'base.py'\ntrain_callbacks = dict(log=dict(interval=5))"
    )
    sources = load(path).sources
    assert sources[('trainer', 'callbacks', 0, 'type')] == 'base.py'
    assert sources[('trainer', 'callbacks', 0, 'interval')] == 'config.py'
    assert sources[('validator', 'model', 'decoder', 'type')] == 'base.py'


def test_the_two_halves_share_no_object(write: Write) -> None:
    config = load(write('config.py', EVERYTHING))
    config.trainer.strategy.type = 'FSDP'
    assert config.validator.strategy.type == 'DDP'


def test_a_dump_loads_to_the_same(write: Write, root: Path) -> None:
    config = load(write('config.py', EVERYTHING))
    config.dump(root / 'work_dirs' / 'config.py')
    again = load('work_dirs/config.py')
    assert again == config
    assert again.text == config.text


def test_a_fragment_on_top_of_a_dump_is_not_lost_silently(
    write: Write, root: Path
) -> None:
    load(write('config.py', EVERYTHING)).dump(root / 'dump.py')
    path = write('child.py', "_base_ = 'dump.py'\nmodel = dict(decoder=dict(width=9))")
    with pytest.raises(ConfigError) as info:
        load(path)
    for part in ('child.py', 'trainer.model.decoder.width', 'dump.py'):
        assert part in str(info.value)
    text = "_base_ = 'dump.py'\ntrainer = dict(model=dict(decoder=dict(width=9)))"
    assert load(write('child.py', text)).trainer.model.decoder.width == 9
