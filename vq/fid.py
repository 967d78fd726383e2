"""`auto_torchrun -m vq.fid DATASET [--train]`: statistics of a data set, for FID."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vq.cli import fid_parser

if TYPE_CHECKING:
    from vq.config import Config

CONFIGS = 'configs/fid'


def run(args: argparse.Namespace) -> None:
    """Make the statistics that the parsed arguments ask for, if they are missing."""
    from vq import commands, distributed, dry_run, paths
    from vq.metrics.statistics import locate
    from vq.runners.guards import locked

    half = complete(args)
    config = commands.load_config(args, halves=[half])
    _set_callback(config, half, args)
    name = args.name or f'{config.path.stem}_{"train" if args.train else "val"}'
    if Path(name).name != name:
        raise ValueError(f'--name is a file name without folders, got {name!r}')
    wanted = not dry_run.enabled() and not args.force
    if wanted and distributed.broadcast(locate(name).is_file()):
        _describe(locate(name))
        return
    run_name = f'fid/{name}'
    with locked(paths.work_dir(run_name, dry_run=dry_run.enabled())):
        extraction = commands.build(config, half, name=run_name)
        commands.dump(config, extraction.work_dir)
        extraction.run()


def complete(args: argparse.Namespace) -> str:
    """Fill in what configs are loaded by; return which half of the config is meant.

    Overrides start at that half: `.dataloader.batch_size`, not `.validator.data...`.

    Raises:
        ConfigError: There is no such data set.
    """
    half = 'trainer' if args.train else 'validator'
    args.config = _config(args.dataset)
    args.override = [
        f'.{half}{word}' if word.startswith(('.', '[')) else word
        for word in args.override
    ]
    args.autocast = False  # features are float32 whatever is asked for
    return half


def _config(dataset: str) -> str:
    """Return the path of a data set's config, or the path that was given."""
    from vq import paths
    from vq.config.errors import ConfigError, nearest

    if '/' in dataset or dataset.endswith('.py'):
        return dataset
    known = sorted(path.stem for path in paths.resolve(CONFIGS).glob('*.py'))
    if dataset not in known:
        raise ConfigError(
            f'there is no {CONFIGS}/{dataset}.py; {nearest(dataset, known)} '
            'A folder of images: folder --config-options train_root::DIR val_root::DIR'
        )
    return f'{CONFIGS}/{dataset}.py'


def _set_callback(config: Config, half: str, args: argparse.Namespace) -> None:
    """Tell the callback that makes the statistics what the flags say.

    Raises:
        ConfigError: There is none.
    """
    from vq.config import ConfigError, apply_overrides

    types = [callback.type for callback in getattr(config, half).get('callbacks', ())]
    if 'StatisticsCallback' not in types:
        raise ConfigError(f'{config.path} has no StatisticsCallback; see {CONFIGS}')
    path = f'.{half}.callbacks[{types.index("StatisticsCallback")}]'
    changes = dict(features=args.features, force=args.force or None)
    for key, value in changes.items():
        if value is not None:
            apply_overrides(config, {f'{path}.{key}': value})


def _describe(path: Path) -> None:
    """Log what a file of statistics holds."""
    import logging

    from vq.metrics.statistics import Statistics

    statistics = Statistics.load(path)
    features = 0 if statistics.features is None else len(statistics.features)
    known = statistics.protocol.to_dict()
    protocol = ', '.join(
        f'{key} {value}'
        for key, value in known.items()
        if value and key not in ('ids', 'weights')
    )
    logging.getLogger('vq.fid').info(  # not __main__
        '%s is there already, of %d images, with %d features kept: %s; --force makes '
        'it anew',
        path,
        statistics.pooled.count,
        features,
        protocol,
    )


def main() -> None:
    """Parse the command line, then make the statistics."""
    args = fid_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
