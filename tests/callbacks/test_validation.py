"""Validating while training measures what `vq.val` does, and changes nothing else."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import tests.integration.noise  # noqa: F401
from tests.integration.train import assert_same
from tests.log import Records
from tests.ranks import run_ranks
from tests.runs import job, tiny
from vq import distributed
from vq.callbacks.base import Callback
from vq.checkpoints import Checkpoint, CheckpointError, list_checkpoints
from vq.config import Config, ConfigError, load
from vq.logs import read_json_lines
from vq.models.connectors import Connector
from vq.registry import CALLBACKS, MODELS, RUNNERS
from vq.runners import Job, Trainer, Validator
from vq.runners.monitor import Monitor

ROOT = Path(__file__).parents[2]
# The tiny config's callbacks: ema, codebook, discriminator, log, images, checkpoint.
VALIDATION = ".trainer.callbacks[2]:dict(type='ValidationCallback', interval=2)"
BASE = (
    '.trainer.iters:6',
    '.trainer.callbacks[-1].interval:2',
    '.trainer.callbacks[-3].interval:2',
    '.trainer.model.pre_decode.type::NoisyConnector',
    ".validator.metrics:dict(l1=dict(type='L1'), psnr=dict(type='PSNR'))",
)
STOPPING = (
    ".trainer.callbacks[1]:dict(type='ValidationCallback', interval=1)",
    ".trainer.callbacks[2]:dict(type='EarlyStoppingCallback', metric='val/psnr', "
    "mode='max', patience=3, min_delta=0.01)",
    '.trainer.optimizers.generator.lr:1e-2',
    ".trainer.schedulers:dict(generator=dict(type='ReduceLROnPlateau', "
    "monitor='val/psnr', mode='max', patience=0, threshold=0.01))",
    '.trainer.iters:12',
)
EMA = '.validator.ema:True'
STOP = '.trainer.callbacks[1]:dict(type="LastRankEnds", at=4)'
FSDP = '.trainer.strategy:dict(type="FSDPStrategy",min_parameters=1)'


@CALLBACKS.register_module()
class LastRankEnds(Callback):
    """Ends the run after an iteration, on the last rank alone."""

    def __init__(self, *, at: int) -> None:
        self.at = at

    def after_train_iter(self, runner: Any, batch: Any, logs: Any) -> None:
        if runner.iteration == self.at and distributed.rank() == 1:
            runner.end('a whim')


def config(*overrides: str) -> Config:
    return tiny(*BASE, *overrides)


def trainer(folder: Path, *overrides: str) -> Trainer:
    """Return a trainer whose job knows its config."""
    one = config(*overrides)
    made: Trainer = RUNNERS.build(
        one.trainer, job=Job(name='run', work_dir=folder, config=one, seed=1)
    )
    return made


def records(folder: Path) -> list[dict[str, Any]]:
    return read_json_lines(folder / 'val' / 'metrics.jsonl')


def by_monitor(folder: Path, *overrides: str) -> list[dict[str, Any]]:
    """Return the records that `vq.val` appends for a run's checkpoints."""
    before = len(records(folder))
    one: Validator = RUNNERS.build(config(*overrides).validator, job=job(folder))
    Monitor(one, work_dir=folder).run()
    return records(folder)[before:]


@pytest.mark.parametrize('overrides', [(), (EMA,)], ids=['live', 'averaged'])
def test_it_writes_what_a_monitor_does(
    overrides: tuple[str, ...], tmp_path: Path
) -> None:
    trainer(tmp_path, VALIDATION, *overrides).run()
    own = records(tmp_path)
    assert own == by_monitor(tmp_path, VALIDATION, *overrides)
    assert [r['checkpoint'] for r in own] == ['iter_2', 'iter_4', 'iter_6']
    assert len({r['psnr'] for r in own}) == 3


def test_averages_are_others_than_the_weights(tmp_path: Path) -> None:
    trainer(tmp_path, VALIDATION, EMA).run()
    live, averaged = by_monitor(tmp_path, VALIDATION), records(tmp_path)[:3]
    assert all(a['l1'] != b['l1'] for a, b in zip(live, averaged, strict=True))


def checkpoints(folder: Path) -> list[dict[str, Any]]:
    """Return what a run's checkpoints hold, but the callbacks' states."""
    found = [Checkpoint(f) for f in list_checkpoints(folder / 'checkpoints')]
    parts = ('model', 'ema', 'optimizers', 'randomness')
    return [{part: one.read(part) for part in parts} for one in found]


def test_training_goes_on_as_if_nobody_had_looked(tmp_path: Path) -> None:
    trainer(tmp_path / 'without', '.trainer.callbacks[2]:None').run()
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    deterministic = '.validator.strategy.deterministic:True'
    one = trainer(tmp_path / 'with', VALIDATION, deterministic)
    one.run()
    assert_same(checkpoints(tmp_path / 'without'), checkpoints(tmp_path / 'with'))
    assert one.model.training
    assert not torch.are_deterministic_algorithms_enabled()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # type: ignore[index]


@pytest.mark.parametrize('stop', [2, 6])
def test_resumed_equals_uninterrupted(stop: int, tmp_path: Path) -> None:
    """Early stopping, a rate that follows validations, and records, bit for bit."""
    straight = trainer(tmp_path, *STOPPING)
    straight.run()
    assert 6 < straight.iteration < 12, 'the patience must end it, but not at once'
    rates = [update.lr for update in straight.optimizers.values()]
    assert rates[0] < 1e-4, 'the rate has followed'
    files = [tmp_path / 'scalars.jsonl', tmp_path / 'val' / 'metrics.jsonl']
    expected = checkpoints(tmp_path), [file.read_text() for file in files]
    again = trainer(tmp_path, *STOPPING)
    again.resume(tmp_path / 'checkpoints' / f'iter_{stop}')
    again.run()
    assert again.iteration == straight.iteration
    assert_same(expected, (checkpoints(tmp_path), [file.read_text() for file in files]))


def test_a_torn_line_does_not_hide_those_behind_it(tmp_path: Path) -> None:
    trainer(tmp_path, VALIDATION, '.trainer.iters:4').run()
    whole = records(tmp_path)
    with (tmp_path / 'val' / 'metrics.jsonl').open('a') as file:
        file.write('{"checkpoint": "iter_')  # the disk was full
    again = trainer(tmp_path, VALIDATION)
    again.resume(tmp_path / 'checkpoints' / 'iter_4')
    again.run()
    assert records(tmp_path)[:2] == whole
    assert [record['iteration'] for record in records(tmp_path)] == [2, 4, 6]


@MODELS.register_module()
class NormedConnector(Connector):
    """A connector behind which each rank counts what it sees."""

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__(in_dim=in_dim, out_dim=out_dim)
        self.norm = nn.BatchNorm2d(out_dim)

    def forward(self, latent: Tensor) -> Tensor:
        return self.norm(super().forward(latent))


NORMED = tuple(
    f'.{half}.model.pre_decode.type::NormedConnector'
    for half in ('trainer', 'validator')
)
KINDS: dict[str, tuple[str, ...]] = dict(ddp=(), normed=NORMED, fsdp=(FSDP, EMA))


def train_here(root: Path) -> list[bool]:
    """Train on this rank, under each strategy; return whether one rank ended each."""
    ended = []
    for name, overrides in KINDS.items():
        one = trainer(root / name, VALIDATION, STOP, *overrides)
        one.run()
        ended.append(one.iteration == 4)
    return ended


def test_two_ranks_measure_what_one_does_and_end_together(tmp_path: Path) -> None:
    assert run_ranks(train_here, 2, tmp_path) == [[True] * 3] * 2
    for name, overrides in KINDS.items():
        two = records(tmp_path / name)
        one = by_monitor(tmp_path / name, *overrides)
        assert [record['iteration'] for record in two] == [2, 4]
        for own, alone in zip(two, one, strict=True):
            words = ('checkpoint', 'protocols')
            assert [own.pop(w) for w in words] == [alone.pop(w) for w in words]
            assert own == pytest.approx(alone, rel=1e-12)


def test_numbers_reach_log_and_backends_under_their_own_name(tmp_path: Path) -> None:
    aliases = '.validator.callbacks[0].aliases:{"val/recon": "val/l1"}'
    trainer(tmp_path, VALIDATION, aliases).run()
    lines = read_json_lines(tmp_path / 'scalars.jsonl')
    expected = [record['l1'] for record in records(tmp_path)]
    assert [line['val/l1'] for line in lines] == pytest.approx(expected, rel=1e-6)
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    tags = events.Tags()['scalars']
    assert {'val/l1', 'val/recon', 'train/total'} <= set(tags)
    assert not any(tag.startswith('train/val') for tag in tags)
    for tag in ('val/l1', 'val/recon'):
        found = [(e.step, e.value) for e in events.Scalars(tag)]
        steps = zip((2, 4, 6), expected, strict=True)
        assert found == [(step, pytest.approx(value)) for step, value in steps]


def test_pictures_lie_where_a_monitor_puts_them(tmp_path: Path) -> None:
    images = ".validator.callbacks:[dict(type='ImagesCallback', number=2)]"
    trainer(tmp_path, VALIDATION, images).run()
    for iteration in (2, 4, 6):
        folder = tmp_path / 'val' / f'iter_{iteration}' / 'batched_visual'
        assert [path.name for path in folder.iterdir()] == ['validation.png']
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    assert [e.step for e in events.Images('val/reconstruction')] == [2, 4, 6]


def test_the_best_checkpoint_is_kept_by_the_newest_record(tmp_path: Path) -> None:
    best = ".trainer.callbacks[-1].keep_best:dict(metric='psnr', mode='min')"
    trainer(tmp_path, VALIDATION, best, '.trainer.callbacks[-1].keep_last:1').run()
    lowest = min(records(tmp_path), key=lambda record: record['psnr'])['checkpoint']
    kept = {path.name for path in list_checkpoints(tmp_path / 'checkpoints')}
    assert kept == {lowest, 'iter_6'}


def test_it_stands_before_all_that_writes_and_behind_all_that_acts(
    tmp_path: Path,
) -> None:
    file = tmp_path / 'x.py'
    base = str(ROOT / 'configs' / 'vqvae' / '1024_photos.py')
    file.write_text(
        f"""_base_ = [{base!r}]
train_callbacks = dict(
    early_stopping=dict(type='EarlyStoppingCallback'),
    validation=dict(type='ValidationCallback'),
    ema=dict(type='EMACallback'),
)
"""
    )
    types = [c.type.removesuffix('Callback') for c in load(file).trainer.callbacks]
    last = ['EMA', 'Validation', 'EarlyStopping', 'Log', 'Images', 'Checkpoint']
    assert types[-6:] == last


def test_what_is_missing_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    with pytest.raises(ValueError, match=r'averaged weights .*EMACallback'):
        trainer(tmp_path, VALIDATION, EMA, '.trainer.callbacks[0]:None').run()
    monkeypatch.setenv('PRETRAINED', str(tmp_path / 'nowhere'))
    lpips = '.validator.metrics.lpips:dict(type="LPIPSMetric")'
    with pytest.raises(FileNotFoundError, match=r'\.validator\.skip_missing:True'):
        trainer(tmp_path, VALIDATION, lpips).run()
    trainer(tmp_path, VALIDATION, lpips, '.validator.skip_missing:True').run()
    assert len(records(tmp_path)) == 3
    assert any('metric lpips is left out' in text for text in log.warnings)
    other = trainer(tmp_path, VALIDATION, '.validator.model.decoder.width:16')
    with pytest.raises(CheckpointError, match='decoder'):
        other.run()
    assert other.iteration == 0
    alone = trainer(tmp_path, VALIDATION)
    del alone.job.config.tree['validator']
    with pytest.raises(ConfigError, match='has no validator'):
        alone.run()
