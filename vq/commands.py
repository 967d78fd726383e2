"""What the commands share: from parsed arguments to a checked config and a job."""

import argparse
import functools
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import distributed, dry_run, logs, paths
from vq.callbacks.base import Callback
from vq.callbacks.codebook import CollapseError
from vq.checkpoints import CheckpointError
from vq.config import Config, ConfigError, apply_overrides, check, load, parse_words
from vq.registry import CALLBACKS, RUNNERS
from vq.runners.base import Job
from vq.runners.generator import Generator
from vq.runners.guards import WorkDirBusyError
from vq.runners.trainer import NonFiniteError
from vq.runners.validator import Validator

_logger = logging.getLogger(__name__)
# What a user can mend: told in one line; the traceback goes to the log file alone.
USER_ERRORS = (
    ValueError,  # ConfigError is one
    CheckpointError,
    CollapseError,
    OSError,
    NonFiniteError,
    WorkDirBusyError,
)


def command(function: Callable[[argparse.Namespace], None]) -> Callable[..., None]:
    """Run a command inside its process group, and tell users' errors in one line.

    Args:
        function: What the command does with its parsed arguments.
    """

    @functools.wraps(function)
    def run(args: argparse.Namespace) -> None:
        if args.dry_run:
            dry_run.enable()
        with distributed.process_group():
            logs.set_up()
            try:
                function(args)
            except USER_ERRORS as error:
                _logger.error('%s: %s', type(error).__name__, error)
                _logger.debug('where it happened', exc_info=True)
                logging.shutdown()
                # Other ranks may wait in a collective: end without asking them.
                if distributed.world_size() > 1:
                    os._exit(1)
                sys.exit(1)
            except KeyboardInterrupt:
                # Training never comes here: it stops in good order (guards.py).
                _logger.warning('interrupted; what is written is whole')
                logging.shutdown()
                os._exit(128 + signal.SIGINT)

    return run


def load_config(args: argparse.Namespace, *, halves: Sequence[str]) -> Config:
    """Load the config that the arguments name, with their changes, and check it.

    Args:
        args: `config`, `config_options`, `override`, and `autocast`.
        halves: The parts that the command runs: 'trainer', 'validator'.

    Raises:
        ConfigError: The config, an option or an override is wrong.
    """
    config = load(
        args.config,
        options=parse_words(args.config_options),
        overrides=parse_words(args.override),
    )
    adapt(config, halves=halves, autocast=args.autocast)
    return config


def adapt(config: Config, *, halves: Sequence[str], autocast: bool) -> None:
    """Carry out `--autocast` and the dry run, and check the config.

    Raises:
        ConfigError: The config is wrong.
    """
    if autocast:
        changes = {f'.{half}.strategy.autocast': 'auto' for half in halves}
        apply_overrides(config, changes)
    if 'trainer' in halves and _validates(config):
        halves = [*halves, 'validator']
    for half in halves if dry_run.enabled() else ():
        apply_overrides(config, _smaller(getattr(config, half), f'.{half}'))
    check(config)


def _validates(config: Config) -> bool:
    """Tell whether the trainer runs the validator."""
    types = [callback.get('type') for callback in config.trainer.get('callbacks', ())]
    return any(getattr(CALLBACKS.find(type_), 'validates', False) for type_ in types)


def _smaller(half: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the overrides that make a runner's config a dry run."""
    micro_batches = distributed.world_size() * half.get('accumulate', 1)
    size = max(min(dry_run.BATCH_SIZE, half['dataloader']['batch_size']), micro_batches)
    changes: dict[str, Any] = {
        f'{path}.dataloader.batch_size': size - size % micro_batches,
        f'{path}.dataloader.num_workers': 0,
    }
    if 'iters' in half:
        changes[f'{path}.iters'] = dry_run.ITERATIONS
    for i, callback in enumerate(half.get('callbacks', ())):
        found: type[Callback] | None = CALLBACKS.find(callback.get('type'))
        if found is not None and 'interval' in inspect.signature(found).parameters:
            changes[f'{path}.callbacks[{i}].interval'] = found.dry_run_interval
    return changes


def add_callbacks(config: Config, callbacks: Sequence[Mapping[str, Any]]) -> None:
    """Append callbacks to the validator's."""
    both = [*config.validator.get('callbacks', ()), *callbacks]
    apply_overrides(config, {'.validator.callbacks': both})


def add_validation(config: Config, args: argparse.Namespace) -> None:
    """Carry out the flags of `vq.val` and `vq.test`."""
    callbacks: list[dict[str, Any]] = []
    if args.visual:
        callbacks.append(dict(type='VisualCallback', pattern=args.visual))
    if args.tokenize:
        callbacks.append(dict(type='TokenCallback'))
    add_callbacks(config, callbacks)
    for flag in ('ema', 'skip_missing', 'allow_mismatch'):
        if getattr(args, flag):
            apply_overrides(config, {f'.validator.{flag}': True})
    check(config)


def weight_files(args: argparse.Namespace) -> list[Path]:
    """Return the files of `--load-model-from`.

    Raises:
        ConfigError: There is none, and this is no dry run.
    """
    if not args.load_model_from and not dry_run.enabled():
        raise ConfigError('this command needs weights: pass --load-model-from PATH')
    return [paths.resolve_input(path) for path in args.load_model_from]


def first_weights(names: Sequence[str]) -> list[Path]:
    """Return the files of a trainer's `weights`; in a dry run some may be missing.

    Raises:
        FileNotFoundError: One is missing, and this is no dry run.
    """
    files = []
    for name in names:
        try:
            files.append(paths.resolve_input(name))
        except FileNotFoundError as error:
            problem = f'.trainer.weights: {error}'
            if not dry_run.enabled():
                raise FileNotFoundError(problem) from None
            _logger.warning('dry run: %s', problem)
    return files


def load_weights(runner: Validator | Generator, files: Sequence[Path]) -> None:
    """Load weights, all of them, or in a dry run without files keep random ones."""
    if files:
        runner.load_weights(files, strict=True, ema=runner.ema)
    else:
        _logger.warning('dry run: the weights are random')


def build(config: Config, half: str, *, name: str, seed: int = 3407) -> Any:
    """Build a runner of a config in work_dirs/[dry_run/]NAME, logging there too.

    Args:
        config: The config.
        half: 'trainer' or 'validator'.
        name: Name of the run.
        seed: Seed of everything random.
    """
    folder = paths.work_dir(name, dry_run=dry_run.enabled())
    logs.set_up(folder)
    job = Job(name=name, work_dir=folder, config=config, seed=seed)
    return RUNNERS.build(getattr(config, half), job=job)


def dump(config: Config, folder: Path) -> None:
    """Write the resolved config into a run's folder, under its own file name."""
    if distributed.is_main():
        config.dump(folder / config.path.name)
