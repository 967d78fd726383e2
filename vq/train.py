"""`auto_torchrun -m vq.train NAME CONFIG`: train a model."""

import argparse

from vq.cli import train_parser


def run(args: argparse.Namespace) -> None:
    """Train as the parsed arguments say."""
    from vq import checkpoints, commands, distributed, paths

    config = commands.load_config(args, halves=['trainer'])
    trainer = commands.build(config, 'trainer', name=args.name, seed=args.seed)
    commands.dump(config, trainer.work_dir)
    files = [paths.resolve_input(path) for path in args.load_model_from]
    if files:
        trainer.load_weights(files, strict=False)
    folder = None
    if args.auto_resume:
        folder = distributed.broadcast(
            checkpoints.newest_good(trainer.checkpoints_root)
            if distributed.is_main()
            else None
        )
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
