"""What a checkpoint of a training run holds, and how a run goes on from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vq import __version__, checkpoints, distributed, dry_run
from vq.callbacks.base import Callback
from vq.runners import randomness

if TYPE_CHECKING:
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)
ANEW = (
    'to start it anew pass --override '
    r'.trainer.callbacks[-1].load_state_dict:dict\(strict=False\)'
)


def save(trainer: Trainer) -> Path:
    """Save everything that a resume needs as iter_N; every rank takes part.

    Raises:
        CheckpointError: It cannot be written; every rank raises.
    """
    folder = trainer.checkpoints_root / f'iter_{trainer.iteration}'
    state = trainer.strategy.model_state(trainer.model)
    weights = {'model': checkpoints.without(state, trainer.in_files)}
    for callback in trainer.callbacks:
        weights |= callback.weights()
    states = dict(
        optimizers={k: update.state_dict() for k, update in trainer.optimizers.items()},
        callbacks=distributed.gather(_callback_states(trainer)),
        randomness=distributed.gather(randomness.get_state()),
    )
    meta = dict(
        vq=__version__,
        torch=str(torch.__version__),
        iteration=trainer.iteration,
        seed=trainer.job.seed,
        world_size=distributed.world_size(),
        batch_size=trainer.dataloader['batch_size'],
        samples=len(trainer.dataset),
        frozen={name: part.to_json() for name, part in trainer.frozen.items()},
    )
    problem = None
    if distributed.is_main():
        try:
            checkpoints.write(folder, weights=weights, states=states, meta=meta)
            checkpoints.link_latest(folder)
        except checkpoints.CheckpointError as error:
            problem = str(error)
    problem = distributed.broadcast(problem)
    if problem is not None:
        raise checkpoints.CheckpointError(problem)
    return folder


def resume(trainer: Trainer, folder: Path) -> None:
    """Go on from a checkpoint folder; see `Trainer.resume`."""
    strict = all(c.resume_options.get('strict', True) for c in trainer.callbacks)
    checkpoint = checkpoints.Checkpoint(folder)
    meta = checkpoint.meta
    _resume_model(trainer, folder, strict=strict)
    _resume_optimizers(trainer, checkpoint, strict=strict)
    _resume_callbacks(trainer, checkpoint, strict=strict)
    trainer.iteration = trainer.optimizers.iteration = meta['iteration']
    _resume_randomness(trainer, checkpoint)
    _logger.info('resumed from %s at iteration %d', folder, trainer.iteration)


def _resume_model(trainer: Trainer, folder: Path, *, strict: bool) -> None:
    # What --load-model-from has brought of frozen parts stays, and is compared.
    given = checkpoints.only(trainer.model.state_dict(), trainer.frozen)
    file = folder / 'model.pth'  # not the folder, which would be checked once more
    found = checkpoints.gather([file], given=trainer.frozen)
    found.weights.update(given)
    if strict:
        checkpoints.check_fit(trainer.model, found.weights, folder)
    fitting = trainer.take(found, [folder], strict=strict)
    for name in _complete(trainer, fitting):
        if name not in trainer.frozen:
            files = found.frozen[name].files if name in found.frozen else ()
            _note(trainer, name, files)


def start(
    trainer: Trainer, paths: Sequence[Path], *, strict: bool, ema: bool = False
) -> None:
    """Load weights to start from, and note where those of frozen parts come from.

    Files that hold weights of a frozen part give nothing else, see `gather`.

    Raises:
        CheckpointError: See `Runner.load_weights`; or they hold a frozen part only in
            part, and this is no dry run.
    """
    frozen = checkpoints.frozen_parts(trainer.model)
    found = checkpoints.gather(paths, ema=ema, frozen=frozen)
    fitting = trainer.take(found, paths, strict=strict)
    if not dry_run.enabled():
        _check_whole(trainer, found, fitting)
    for name in _complete(trainer, fitting):
        files = dict.fromkeys(checkpoints.only(found.origins, [name]).values())
        _note(trainer, name, [checkpoints.WeightFile.of(file) for file in files])


def check_frozen(trainer: Trainer) -> None:
    """Refuse to train around frozen parts that have no weights; in a dry run, warn.

    Their random weights are then part of the checkpoint, as nobody else has them.

    Raises:
        CheckpointError: Such parts are named.
    """
    state = trainer.model.state_dict()
    for name in checkpoints.frozen_parts(trainer.model):
        if name in trainer.frozen or not checkpoints.only(state, [name]):
            continue
        problem = f'the frozen {name} has no weights, or not all of them'
        if not dry_run.enabled():
            raise checkpoints.CheckpointError(
                f'{problem}; pass --load-model-from FILE with a checkpoint of it'
            )
        _logger.warning('dry run: %s: they are random', problem)
        _note(trainer, name, [])


def _check_whole(
    trainer: Trainer, found: checkpoints.Gathered, fitting: Mapping[str, Tensor]
) -> None:
    """Refuse files that were given for a frozen part and do not fit it.

    A resume would else take, without a word, the file that the checkpoint names.
    """
    parts = set(checkpoints.frozen_parts(trainer.model))
    for name in sorted(parts - set(_complete(trainer, fitting))):
        origins = checkpoints.only(found.origins, [name])
        if not origins:
            continue
        own = {key.removeprefix(f'{name}.'): found.weights[key] for key in origins}
        files = ', '.join(map(str, dict.fromkeys(origins.values())))
        try:
            checkpoints.check_fit(trainer.model.get_submodule(name), own, files)
        except checkpoints.CheckpointError as error:
            raise checkpoints.CheckpointError(
                f'the frozen {name}: {error}; pass --load-model-from with a checkpoint '
                "of the config's own, or the config that belongs to the file"
            ) from None


def _complete(trainer: Trainer, weights: Mapping[str, Tensor]) -> list[str]:
    """Return the frozen parts of which all weights are there."""
    state = trainer.model.state_dict()
    parts = checkpoints.frozen_parts(trainer.model)
    own = {name: checkpoints.only(state, [name]) for name in parts}
    return [name for name in parts if own[name] and own[name].keys() <= weights.keys()]


def _note(trainer: Trainer, name: str, files: Sequence[checkpoints.WeightFile]) -> None:
    """Remember, for checkpoints, where the weights of a frozen part come from."""
    state = checkpoints.part_hash(trainer.model.state_dict(), name)
    trainer.frozen[name] = checkpoints.FrozenPart(state=state, files=tuple(files))


def _key(trainer: Trainer, callback: Callback) -> str:
    """Return the name of a callback's state: its class, and which of that class."""
    kind = type(callback)
    same = [c for c in trainer.callbacks if type(c) is kind]
    return f'{kind.__name__}_{same.index(callback)}'


def _callback_states(trainer: Trainer) -> dict[str, dict[str, Any]]:
    states = {_key(trainer, c): c.state_dict() for c in trainer.callbacks}
    return {key: state for key, state in states.items() if state}


def _resume_optimizers(
    trainer: Trainer, checkpoint: checkpoints.Checkpoint, *, strict: bool
) -> None:
    states: Mapping[str, Any] = checkpoint.read('optimizers')
    for name, update in trainer.optimizers.items():
        try:
            update.load_state_dict(states[name])
        except (KeyError, ValueError) as error:
            _refuse(f'optimizer {name} cannot be resumed: {error}', strict=strict)


def _resume_callbacks(
    trainer: Trainer, checkpoint: checkpoints.Checkpoint, *, strict: bool
) -> None:
    of_ranks = checkpoint.read('callbacks')
    same = len(of_ranks) == distributed.world_size()
    states = of_ranks[distributed.rank() if same else 0]
    for callback in trainer.callbacks:
        key, stems = _key(trainer, callback), callback.weights()
        lacking = [f'{stem}.pth' for stem in stems if stem not in checkpoint]
        if callback.state_dict() and key not in states:
            lacking.append(f'a state of {key}')
        if lacking:
            what = ' and '.join(lacking)
            _refuse(f'{checkpoint.folder} does not hold {what}', strict=strict)
        if key in states:
            callback.load_state_dict(states[key])
        callback.load_weights(
            {stem: checkpoint.read(stem) for stem in stems if stem in checkpoint}
        )


def _refuse(problem: str, *, strict: bool) -> None:
    """Raise, or where the user has said so, warn."""
    if strict:
        raise checkpoints.CheckpointError(f'{problem}; {ANEW}')
    _logger.warning('%s: it starts anew', problem)


def _resume_randomness(trainer: Trainer, checkpoint: checkpoints.Checkpoint) -> None:
    meta, ranks = checkpoint.meta, distributed.world_size()
    changed = {
        'seed': (meta['seed'], trainer.job.seed),
        'batch_size': (meta['batch_size'], trainer.dataloader['batch_size']),
        'number of samples': (meta['samples'], len(trainer.dataset)),
    }
    for what, (old, new) in changed.items():
        if old != new:
            _logger.warning(
                'the %s was %s and is %s: the order of data differs', what, old, new
            )
    if meta['world_size'] == ranks:
        randomness.set_state(checkpoint.read('randomness')[distributed.rank()])
        return
    randomness.seed_all(trainer.job.seed + distributed.rank() + trainer.iteration)
    _logger.warning(
        'the checkpoint is of %d ranks, this run has %d: the order of data is kept, '
        "the ranks' own randomness is not",
        meta['world_size'],
        ranks,
    )
