"""What Lightning is told, in our fragments."""

import pytest

from vq.recipes.ledger import CARRIED, LEFT, Ledger
from vq.recipes.lightning import Devices, other, trainer
from vq.recipes.recipe import Options, Recipe


def run(told, *, options=None, batch_size=4, **rest):
    ledger = Ledger.of(dict(trainer=told, **rest))
    recipe = Recipe('', '', {}, fragments=dict(model={}))
    options = options or Options()
    devices = Devices(ledger, 'trainer.', options)
    trainer(ledger, recipe, 'trainer.', options, batch_size=batch_size)
    other(ledger, recipe)
    states = {row.key: row.state for row in ledger.rows(recipe.fragments)}
    return recipe.fragments, devices, states


@pytest.mark.parametrize(
    ('told', 'given', 'total'),
    [
        (dict(devices=4, num_nodes=2), None, 8),
        (dict(devices=4, accumulate_grad_batches=3), None, 12),
        (dict(gpus='0,1,'), None, 2),
        (dict(gpus=[0, 2, 3]), None, 3),
        (dict(devices='auto'), None, 1),
        (dict(devices=-1), 8, 8),
        (dict(devices='4'), None, 4),
        ({}, None, 1),
    ],
)
def test_batches_of_an_update(told, given, total):
    assert run(told, options=Options(gpus=given))[1].total == total


def test_arguments_become_fragments():
    fragments, _, states = run(
        dict(
            precision=16,
            max_steps=100,
            log_every_n_steps=7,
            gradient_clip_val=1.0,
            deterministic=True,
            fancy=3,
            val_check_interval=5,
        ),
        ModelCheckpoint=dict(every_n_train_steps=9, save_top_k=2, save_last=True),
    )
    assert fragments['strategy'] == dict(autocast='auto', deterministic=True)
    assert fragments['iters'] == 100
    callbacks = fragments['train_callbacks']
    assert callbacks['log'] == dict(interval=7)
    assert callbacks['checkpoint'] == dict(interval=9, keep_last=2)
    assert fragments['optimizers']['discriminator'] == dict(clip_grad=1.0)
    left = {key for key, state in states.items() if state == LEFT}
    assert left == {'trainer.fancy', 'trainer.val_check_interval'}


def test_clipped_values_are_no_clipped_norm():
    told = dict(gradient_clip_val=1.0, gradient_clip_algorithm='value')
    fragments, _, states = run(told)
    assert 'optimizers' not in fragments
    assert set(states.values()) == {LEFT}


def test_epochs_need_the_number_of_images():
    told = dict(max_epochs=3)
    assert run(told, options=Options(images=18))[0]['iters'] == 3 * (18 // 4)
    fragments, _, states = run(told)
    assert 'iters' not in fragments and states['trainer.max_epochs'] == LEFT


@pytest.mark.parametrize(
    ('precision', 'autocast'),
    [('bf16-mixed', 'bf16'), (32, None), ('16-mixed', 'auto'), ('bf16-true', None)],
)
def test_precisions(precision, autocast):
    fragments, _, states = run(dict(precision=precision))
    assert fragments['strategy'] == dict(autocast=autocast)
    known = precision != 'bf16-true'
    assert states['trainer.precision'] == (CARRIED if known else LEFT)


def test_the_logger_has_its_names_in_both_runners():
    fragments, _, states = run({}, wandb_project_name='a', wandb_entity_name='b')
    for name in ('train_callbacks', 'val_callbacks'):
        backend = fragments[name]['log']['backends'][1]
        assert backend['init_kwargs'] == dict(project='a', entity='b')
    assert states['wandb_project_name'] == states['wandb_entity_name'] == CARRIED


def test_the_best_checkpoint_is_that_of_the_pixel_loss():
    params = dict(monitor='val/rec_loss', save_top_k=2)
    fragments, *_ = run({}, ModelCheckpoint=params)
    best = fragments['train_callbacks']['checkpoint']['keep_best']
    assert best == dict(metric='l1', mode='min')
    _, _, states = run({}, ModelCheckpoint=dict(params, monitor='val/strange'))
    assert states['ModelCheckpoint.monitor'] == LEFT
