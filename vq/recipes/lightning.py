"""What Lightning is told: devices, steps, precision, callbacks, loggers."""

import re
from typing import Any

from vq.recipes.ledger import Ledger
from vq.recipes.recipe import Options, Recipe

CHECKPOINT = 'train_callbacks.checkpoint'
_FINDS_DEVICES = 'auto_torchrun finds devices; strategies/ddp.py'
_BESIDE = 'vq.val validates beside a training, a ValidationCallback within'
_LOADED = (
    'weights: tools/convert_checkpoints.py makes ours of them, and --load-model-from '
    'loads those'
)
_PLACED = 'everything lies in work_dirs/NAME'
# Arguments of its Trainer that need nothing of a config.
_SAME = dict.fromkeys(
    ('accelerator', 'strategy', 'distributed_backend', 'num_processes'), _FINDS_DEVICES
) | dict(
    replace_sampler_ddp='our sampler shares the data set out among ranks',
    use_distributed_sampler='our sampler shares the data set out among ranks',
    sync_batchnorm="batch normalisations are each rank's own; norm='sync_batch'",
    benchmark='cudnn chooses its kernels unless strategy.deterministic',
    enable_progress_bar='a log line has the time that is left',
    progress_bar_refresh_rate='a log line has the time that is left',
)
_LEFT = dict.fromkeys(
    (
        'check_val_every_n_epoch',
        'val_check_interval',
        'limit_val_batches',
        'num_sanity_val_steps',
    ),
    _BESIDE,
) | dict(
    resume_from_checkpoint=_LOADED,
    gradient_clip_algorithm='clip_grad is the largest norm; values are not clipped',
    default_root_dir=_PLACED,
)
_AUTOCAST = {'16': 'auto', '16-mixed': 'auto', 'bf16': 'bf16', 'bf16-mixed': 'bf16'}
_FULL = ('32', '32-true')


class Devices:
    """How many processes a training has, and how many batches an update.

    Attributes:
        number: Processes of a node.
        nodes: Nodes.
        accumulate: Batches of each process before its weights move.
    """

    def __init__(self, ledger: Ledger, at: str, options: Options) -> None:
        self.nodes = int(ledger.take(f'{at}num_nodes', BATCH, default=1))
        self.accumulate = int(
            ledger.take(f'{at}accumulate_grad_batches', 'trainer.accumulate', default=1)
        )
        told = [ledger.take(f'{at}{name}', BATCH) for name in ('devices', 'gpus')]
        number = next((_count(value) for value in told if value is not None), None)
        if options.gpus is None and not number:
            ledger.remark('devices', 'their number is not told: one; --gpus says else')
        self.number = options.gpus or number or 1

    @property
    def total(self) -> int:
        """Batches of one process that an update sees."""
        return self.number * self.nodes * self.accumulate


BATCH = 'train_dataloader.batch_size'


def trainer(
    ledger: Ledger, recipe: Recipe, at: str, options: Options, *, batch_size: int
) -> None:
    """Put the Trainer's arguments into a recipe.

    Args:
        ledger: The account.
        recipe: Is added to.
        at: Key of the arguments, with its dot.
        options: Of the command line.
        batch_size: Of all processes together, for settings that count epochs.
    """
    for name, told in _SAME.items():
        ledger.same(f'{at}{name}', told)
    for name, why in _LEFT.items():
        if name == 'gradient_clip_algorithm' and ledger.get(f'{at}{name}') == 'norm':
            ledger.same(f'{at}{name}', 'clip_grad is the largest norm')
        ledger.leave(f'{at}{name}', why)
    precision = str(ledger.take(f'{at}precision', 'strategy.autocast', default=32))
    recipe.want(strategy=dict(autocast=_AUTOCAST.get(precision)))
    if precision not in (*_AUTOCAST, *_FULL):
        why = 'weights are float32 here, and autocast is off: strategy.autocast'
        ledger.leave(f'{at}precision', why)
    if ledger.take(f'{at}deterministic', 'strategy.deterministic'):
        recipe.want(strategy=dict(deterministic=True))
    _length(ledger, recipe, at, options, batch_size)
    interval = ledger.take(f'{at}log_every_n_steps', 'train_callbacks.log.interval')
    if interval:
        recipe.want(train_callbacks=dict(log=dict(interval=int(interval))))
    clip = ledger.take(f'{at}gradient_clip_val', 'optimizers.generator.clip_grad')
    if clip and ledger.get(f'{at}gradient_clip_algorithm', 'norm') == 'norm':
        for name in ('generator', 'discriminator'):
            recipe.want(optimizers={name: dict(clip_grad=float(clip))})
    elif clip:
        ledger.leave(f'{at}gradient_clip_val', _LEFT['gradient_clip_algorithm'])


def _length(
    ledger: Ledger, recipe: Recipe, at: str, options: Options, batch_size: int
) -> None:
    steps = ledger.take(f'{at}max_steps', 'iters')
    epochs = ledger.take(f'{at}max_epochs', 'iters')
    if steps and steps > 0:
        recipe.want(iters=int(steps))
        ledger.remark(
            'max_steps',
            'an iteration of ours is a batch; since version 1.6 Lightning '
            'counts the updates of both optimizers',
        )
    elif epochs and options.images:
        recipe.want(iters=int(epochs) * (options.images // batch_size))
    elif epochs:
        ledger.leave(f'{at}max_epochs', 'epochs of how many images? --images says it')


def checkpoints(ledger: Ledger, recipe: Recipe, at: str) -> None:
    """Put the arguments of ModelCheckpoint into a recipe."""
    interval = ledger.take(f'{at}every_n_train_steps', f'{CHECKPOINT}.interval')
    if interval:
        recipe.want(train_callbacks=dict(checkpoint=dict(interval=int(interval))))
    kept = ledger.take(f'{at}save_top_k', f'{CHECKPOINT}.keep_last', default=-1)
    if int(kept) > 0:
        recipe.want(train_callbacks=dict(checkpoint=dict(keep_last=int(kept))))
    ledger.same(f'{at}save_last', 'the last is always saved')
    for name in ('dirpath', 'filename', 'verbose'):
        ledger.same(f'{at}{name}', _PLACED)
    ledger.same(f'{at}mode', 'the lower, the better')
    kept_best(ledger, recipe, f'{at}monitor')


def kept_best(ledger: Ledger, recipe: Recipe, key: str) -> None:
    """Put what the best checkpoint is chosen by into a recipe."""
    if ledger.get(key) is None:
        return
    checkpoint = recipe.fragments.get('train_callbacks', {}).get('checkpoint', {})
    if 'keep_last' not in checkpoint:
        told = 'all checkpoints are kept; vq.compare --checkpoints best:METRIC'
        ledger.same(key, told)
    elif ledger.take(key, f'{CHECKPOINT}.keep_best') == 'val/rec_loss':
        losses = recipe.fragments['model'].get('reconstruction_losses', {})
        metric = 'mse' if losses.get('mse_loss') else 'l1'
        best = dict(metric=metric, mode='min')
        recipe.want(train_callbacks=dict(checkpoint=dict(keep_best=best)))
    else:
        ledger.leave(key, 'no metric here; checkpoint=dict(keep_best=...) names one')


def logger(ledger: Ledger, recipe: Recipe) -> None:
    """Put Weights & Biases' names into a recipe."""
    backends = 'train_callbacks.log.backends'
    project = ledger.take('wandb_project_name', backends)
    entity = ledger.take('wandb_entity_name', backends)
    named = {k: v for k, v in dict(project=project, entity=entity).items() if v}
    if not named:
        return
    tensorboard = dict(type='TensorboardVisBackend')
    wandb = dict(type='WandbVisBackend', init_kwargs=named)
    ledger.remark('wandb', 'without an account there: WANDB_MODE=offline')
    log = dict(log=dict(backends=[tensorboard, wandb]))
    recipe.want(train_callbacks=log, val_callbacks=log)


def other(ledger: Ledger, recipe: Recipe) -> None:
    """Account for what stands beside the model, the data and the trainer."""
    ledger.leave('ckpt_path', _LOADED)
    checkpoints(ledger, recipe, 'ModelCheckpoint.')
    checkpoints(ledger, recipe, 'lightning.modelcheckpoint.params.')
    kept_best(ledger, recipe, 'model.params.monitor')
    ledger.same('lightning.modelcheckpoint.target', 'CheckpointCallback')
    images = 'lightning.callbacks.image_logger.'
    ledger.same(f'{images}target', 'ImagesCallback')
    interval = ledger.take(
        f'{images}params.batch_frequency', 'train_callbacks.images.interval'
    )
    if interval:
        recipe.want(train_callbacks=dict(images=dict(interval=int(interval))))
    ledger.leave(images, 'ImagesCallback has its own ways of showing')
    ledger.leave('lightning.logger.', 'loggers/ has ours')
    logger(ledger, recipe)


def _count(value: Any) -> int | None:
    """Count devices: 4, [0, 1], '0,1,', 'auto', -1."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, str):
        found = re.findall(r'\d+', value)
        return len(found) if ',' in value else int(found[0]) if found else None
    return int(value) if int(value) > 0 else None
