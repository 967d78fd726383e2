"""Types and arguments of a config are held against the classes' signatures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vq.config import ConfigError, check, load

Write = Callable[[str, str], Path]

CONFIG = """
model = dict(type='System', decoder=dict(type='Decoder', width=8))
train_dataset = dict(type='Anything', root='data')
train_dataloader = dict(batch_size=4, num_workers=2)
optimizers = dict(
    generator=dict(type='AdamW', lr=1e-4, betas=(0.5, 0.9), clip_grad=1.0),
    discriminator=dict(type='SGD', params=[dict(regex='x', lr=1e-3)], lr=0.1),
)
schedulers = dict(
    discriminator=None,
    generator=dict(
        type='SequentialLR',
        milestones=[5],
        schedulers=[dict(type='LinearLR'), dict(type='CosineAnnealingLR', T_max=5)],
    ),
)
"""


def problems(config: Any) -> list[str]:
    """Return the lines of what `check` has to say."""
    with pytest.raises(ConfigError) as info:
        check(config)
    return str(info.value).splitlines()


@pytest.mark.usefixtures('classes')
def test_a_good_config_passes(write: Write) -> None:
    config = load(write('config.py', CONFIG))
    check(config)
    check(config.trainer)


@pytest.mark.usefixtures('classes')
@pytest.mark.parametrize(
    ('override', 'message'),
    [
        ('.trainer.model.decoder.widht:3',
         '.trainer.model.decoder: Decoder takes no `widht` '
         '(set by --override .trainer.model.decoder.widht:3); did you mean `width`?'),
        ('.trainer.model.decoder.type::Decodr',
         ".trainer.model.decoder: there is no class 'Decodr' "
         '(set by --override .trainer.model.decoder.type::Decodr); '
         'did you mean `Decoder`?'),
        ('.trainer.model.decoder:dict(type="Decoder")',
         '.trainer.model.decoder: Decoder needs `width` (type set by --override '
         ".trainer.model.decoder:{'type': 'Decoder'})"),
        ('.trainer.model.parts:[dict(type="Decoder", depth=1)]',
         '.trainer.model.parts[0]: Decoder needs `width` (type set by --override '
         ".trainer.model.parts:[{'type': 'Decoder', 'depth': 1}])"),
        ('.trainer.itres:3',
         '.trainer: Trainer takes no `itres` (set by --override .trainer.itres:3); '
         'did you mean `iters`?'),
        ('.trainer.job:3',
         '.trainer: Trainer takes no `job` (set by --override .trainer.job:3)'),
        ('.trainer.dataloader.batchsize:3',
         '.trainer.dataloader: a data loader takes no `batchsize` (set by --override '
         '.trainer.dataloader.batchsize:3); did you mean `batch_size`'),
        ('.trainer.optimizers.generator.beta:3',
         '.trainer.optimizers.generator: AdamW takes no `beta` (set by --override '
         '.trainer.optimizers.generator.beta:3); did you mean `betas`?'),
        ('.trainer.optimizers.generator.type::AdmW',
         ".trainer.optimizers.generator: there is no class 'AdmW' (set by --override "
         '.trainer.optimizers.generator.type::AdmW); did you mean `AdamW`'),
        ('.trainer.optimizers.generator:dict(type="LARS", lr=1, trust=0.1)',
         '.trainer.optimizers.generator: LARS takes no `trust` (set by --override '
         ".trainer.optimizers.generator:{'type': 'LARS', 'lr': 1, 'trust': 0.1}); "
         'did you mean `trust_coefficient`?'),
        ('.trainer.optimizers.generator:dict(type="LAR", lr=1)',
         ".trainer.optimizers.generator: there is no class 'LAR' (set by --override "
         ".trainer.optimizers.generator:{'type': 'LAR', 'lr': 1}); did you mean "
         '`LARS`'),
        ('.trainer.schedulers.generator.type::Adam',
         ".trainer.schedulers.generator: there is no class 'Adam'"),
        ('.trainer.schedulers.generator.schedulers[1].T_mx:3',
         '.trainer.schedulers.generator.schedulers[1]: CosineAnnealingLR takes no '
         '`T_mx` (set by --override '
         '.trainer.schedulers.generator.schedulers[1].T_mx:3); did you mean `T_max`?'),
        ('.trainer.schedulers.generator:dict(type="CosineAnnealingLR")',
         '.trainer.schedulers.generator: CosineAnnealingLR needs `T_max`'),
        ('.trainer.model.decoder.type:3',
         '.trainer.model.decoder: there is no class 3'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(write: Write, override: str, message: str) -> None:
    found = problems(load(write('config.py', CONFIG), overrides=[override]))
    assert found[0].startswith(message)
    assert len(found) == 1


@pytest.mark.usefixtures('classes')
def test_all_problems_come_at_once_with_their_files(write: Write) -> None:
    write('base.py', CONFIG)
    path = write(
        'config.py',
        "_base_ = 'base.py'\nmodel = dict(a=1, decoder=dict(_delete_=True))",
    )
    config = load(path, overrides=['.trainer.model.decoder.type::Decoder'])
    assert problems(config) == [
        '.trainer.model: System takes no `a` (set by config.py); known: decoder, parts',
        '.trainer.model.decoder: Decoder needs `width` '
        '(type set by --override .trainer.model.decoder.type::Decoder)',
    ]


@pytest.mark.usefixtures('classes')
def test_a_part_is_checked_without_sources() -> None:
    part = dict(model=dict(type='Decoder', width=1, dept=2))
    assert problems(part) == ['.model: Decoder takes no `dept`; did you mean `depth`?']


@pytest.mark.usefixtures('classes')
def test_an_alias_resolves() -> None:
    check(dict(type='VQIT.Trainer', model=dict(type='Decoder', width=1)))


@pytest.mark.usefixtures('classes')
def test_backends_are_mmengines() -> None:
    check(dict(backend=dict(type='TensorboardVisBackend', anything=1)))
    check(dict(backend=dict(type='SwanlabVisBackend')))
    (problem,) = problems(dict(backend=dict(type='TensorbordVisBackend')))
    assert problem.startswith(".backend: there is no class 'TensorbordVisBackend'")
    assert '`TensorboardVisBackend`' in problem
