"""`auto_torchrun -m vq.train NAME CONFIG`: train a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vq.cli import train_parser

if TYPE_CHECKING:
    from vq.config import Config


def run(args: argparse.Namespace) -> None:
    """Train as the parsed arguments say."""
    from vq import commands, dry_run, paths
    from vq.runners.guards import locked

    config = commands.load_config(args, halves=['trainer'])
    # Before anything is written there, a log included.
    with locked(paths.work_dir(args.name, dry_run=dry_run.enabled())):
        _train(args, config)


def _train(args: argparse.Namespace, config: Config) -> None:
    from vq import checkpoints, commands, distributed, paths

    trainer = commands.build(config, 'trainer', name=args.name, seed=args.seed)
    commands.dump(config, trainer.work_dir)
    files = commands.first_weights(trainer.weights)
    files += [paths.resolve_input(path) for path in args.load_model_from]
    if files:
        trainer.load_weights(files, strict=False)
    folder = None
    if distributed.is_main():
        checkpoints.clean(trainer.checkpoints_root)
        if args.auto_resume:
            folder = checkpoints.newest_good(trainer.checkpoints_root)
    folder = distributed.broadcast(folder)
    if folder is None and args.load_from:
        folder = paths.resolve_input(args.load_from)
    if folder is not None:
        trainer.resume(folder)
    trainer.run()


def main() -> None:
    """Parse the command line, then train."""
    args = train_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
