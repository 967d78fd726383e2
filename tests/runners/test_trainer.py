"""The trainer equals a loop by hand; what is wrong is told, and where it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.log import Records
from tests.runners.nets import distance, weights
from tests.runs import Toy, job, toy, toy_trainer
from vq import checkpoints
from vq.callbacks import CheckpointCallback, LogCallback
from vq.datasets.loader import train_loader
from vq.runners import Trainer
from vq.runners.trainer import NonFiniteError

CHECKPOINT = dict(type='CheckpointCallback', interval=2)


def by_hand(trainer: Trainer, iters: int, start: int = 0) -> dict[str, torch.Tensor]:
    """Train `Toy` on the trainer's data with plain torch."""
    model = Toy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = iter(train_loader(trainer.dataset, **trainer.dataloader, seed=1))
    for _ in range(iters):
        optimizer.zero_grad()
        model.loss(next(loader), 1.0).total.backward()
        optimizer.step()
    return weights(model)


def test_training_equals_a_loop_by_hand(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, iters=7)
    trainer.run()
    assert distance(weights(trainer.model), by_hand(trainer, 7)) == 0
    assert trainer.iteration == trainer.optimizers.iteration == 7


def test_micro_batches_see_the_whole_batch(tmp_path: Path) -> None:
    loader = dict(batch_size=4, num_workers=0)
    trainer = toy_trainer(tmp_path, dataloader=loader, accumulate=2)
    trainer.run()
    expected = by_hand(trainer, 4)
    for key in ('scale', 'shift'):
        assert torch.allclose(trainer.model.state_dict()[key], expected[key], atol=1e-6)


def test_a_resume_equals_one_go(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path / 'one', iters=3, callbacks=[CHECKPOINT])
    trainer.run()
    for folder in ('iter_2', 'iter_3'):
        other = toy_trainer(tmp_path / folder, iters=5)
        other.resume(trainer.checkpoints_root / folder)
        other.run()
        assert distance(weights(other.model), by_hand(other, 5)) == 0


def test_finished_is_told_at_the_end_and_taken_back_first(
    tmp_path: Path,
) -> None:
    finished = tmp_path / 'finished.json'
    finished.write_text('of an earlier run')
    seen: list[bool] = []
    trainer = toy_trainer(tmp_path, callbacks=[CHECKPOINT])
    trainer.callbacks[0].before_run = lambda _: seen.append(finished.exists())  # type: ignore[method-assign]
    trainer.run()
    assert json.loads(finished.read_text())['iteration'] == 4
    assert seen == [False]


def test_a_run_that_is_done_is_not_done_again(tmp_path: Path, log: Records) -> None:
    trainer = toy_trainer(tmp_path, callbacks=[CHECKPOINT])
    trainer.run()
    before = weights(trainer.model)
    trainer.run()
    assert distance(weights(trainer.model), before) == 0
    assert 'already at iteration 4 of 4' in log.texts()


@pytest.mark.parametrize(
    ('bad', 'check_interval', 'stop', 'named'),
    [
        ((2, 3, 4), 1, 5, [2, 3, 4]),
        ((0, 2, 3, 4, 5), 3, 6, [2, 3, 4, 5]),
        ((0, 1, 4, 5, 6), 1, 7, [4, 5, 6]),
    ],
)
def test_too_many_in_a_row_stop_and_just_their_ids_are_written(
    tmp_path: Path,
    bad: tuple[int, ...],
    check_interval: int,
    stop: int,
    named: list[int],
) -> None:
    trainer = toy_trainer(
        tmp_path,
        model=dict(type='Toy', bad=bad),
        iters=20,
        max_skipped=3,
        check_interval=check_interval,
        callbacks=[CHECKPOINT],
    )
    loader = iter(train_loader(trainer.dataset, **trainer.dataloader, seed=1))
    batches = [next(loader).ids for _ in range(20)]
    file = tmp_path / 'non_finite_rank0.json'
    with pytest.raises(NonFiniteError, match=f'{len(named)} updates.*{file}'):
        trainer.run()
    written = dict(iteration=stop, ids=[batches[i] for i in named])
    assert json.loads(file.read_text()) == written
    assert not (tmp_path / 'finished.json').exists()


def test_a_few_that_are_not_finite_are_warned_of(tmp_path: Path, log: Records) -> None:
    model = dict(type='Toy', bad=(1, 2))
    toy_trainer(tmp_path, model=model, check_interval=1, max_skipped=3).run()
    counts = [text for text in log.warnings if 'not finite' in text]
    assert [text.split('last ')[1].split()[0] for text in counts] == ['1', '2']
    assert counts[-1].endswith('(2 in all)')


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'batch': (
        dict(dataloader=dict(batch_size=6, num_workers=0), accumulate=4),
        'batch_size 6 .* 4 micro-batches: it must be a multiple of 4',
    ),
    'scheduler': (
        dict(schedulers=dict(generator=None, discriminator=dict(type='StepLR'))),
        r"\['discriminator'\] belong to no optimizer; there are \['generator'\]",
    ),
    'parameters': (
        dict(optimizers=dict(generator=dict(type='SGD', params=['decoder']))),
        "optimizers.generator.params: 'decoder' fits no trainable parameter",
    ),
}


@pytest.mark.parametrize(('changes', 'words'), WRONG.values(), ids=WRONG)
def test_wrong_configs_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        toy_trainer(tmp_path, **changes)


@pytest.mark.parametrize('on_error', ['skip', 'replace'])
def test_unreadable_images_are_counted_and_named(
    tmp_path: Path, log: Records, on_error: str
) -> None:
    dataset = dict(type='SpottyDataset', length=4, broken=(2,), on_error=on_error)
    trainer = toy_trainer(tmp_path, dataset=dataset, iters=6)  # three epochs
    trainer.run()
    assert log.warnings == [
        f'unreadable image number {i}: 00000002: it is torn' for i in (1, 2, 3)
    ]
    assert trainer.unreadable == 3


def test_a_batch_without_an_image_ends_the_run_and_says_why(tmp_path: Path) -> None:
    dataset = dict(type='SpottyDataset', length=2, broken=(0, 1))
    with pytest.raises(ValueError, match="on_error='replace'.*it is torn"):
        toy_trainer(tmp_path, dataset=dataset).run()


def test_a_resume_names_what_does_not_fit(tmp_path: Path, log: Records) -> None:
    trainer = toy_trainer(tmp_path / 'one', callbacks=[CHECKPOINT])
    trainer.run()
    folder = trainer.checkpoints_root / 'iter_4'
    other = toy_trainer(tmp_path / 'two', callbacks=[dict(type='LogCallback')])
    words = 'not hold a state of LogCallback_0'
    with pytest.raises(checkpoints.CheckpointError, match=words):
        other.resume(folder)
    strict = dict(CHECKPOINT, load_state_dict=dict(strict=False))
    other = toy_trainer(tmp_path / 'two', callbacks=[dict(type='LogCallback'), strict])
    other.resume(folder)
    assert any('LogCallback_0: it starts anew' in text for text in log.warnings)
    assert other.iteration == 4
    averaging = toy_trainer(tmp_path / 'three', callbacks=[dict(type='EMACallback')])
    with pytest.raises(checkpoints.CheckpointError, match='does not hold ema.pth'):
        averaging.resume(folder)


def test_a_resume_with_other_data_says_so(tmp_path: Path, log: Records) -> None:
    trainer = toy_trainer(tmp_path / 'one', callbacks=[CHECKPOINT])
    trainer.run()
    changes: dict[str, Any] = dict(
        job=job(tmp_path / 'two', seed=2), dataset=dict(type='SpottyDataset', length=9)
    )
    arguments = {k: v for k, v in toy().items() if k not in changes}
    Trainer(**changes, **arguments).resume(trainer.checkpoints_root / 'iter_4')
    assert log.warnings == [
        'the seed was 1 and is 2: the order of data differs',
        'the number of samples was 10 and is 9: the order of data differs',
    ]


MOMENTS = ('before_run', 'before_train_iter', 'after_train_iter', 'after_run')


def test_callbacks_are_called_at_their_moments_in_order(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, iters=2, callbacks=[dict(type='LogCallback')] * 2)
    calls: list[Any] = []
    for number, callback in enumerate(trainer.callbacks):
        assert isinstance(callback, LogCallback)
        for name in (
            'before_run',
            'before_train_iter',
            'after_train_iter',
            'after_run',
        ):

            def note(runner: Trainer, *_: Any, n: int = number, m: str = name) -> None:
                calls.append((m, n, runner.iteration))

            setattr(callback, name, note)
    trainer.run()
    moments = [
        ('before_run', 0),
        ('before_train_iter', 0),
        ('after_train_iter', 1),
        ('before_train_iter', 1),
        ('after_train_iter', 2),
        ('after_run', 2),
    ]
    assert calls == [(name, n, i) for name, i in moments for n in (0, 1)]


def test_a_checkpoint_callback_saves_what_a_resume_needs(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, callbacks=[CHECKPOINT])
    assert isinstance(trainer.callbacks[0], CheckpointCallback)
    trainer.run()
    meta = checkpoints.Checkpoint(trainer.checkpoints_root / 'latest').meta
    del meta['files'], meta['vq'], meta['torch']
    expected = dict(iteration=4, seed=1, world_size=1, batch_size=2, samples=10)
    assert meta == expected | dict(frozen={})
