"""`auto_torchrun -m vq.val NAME CONFIG`: validate checkpoints as they appear."""

import argparse

from vq.cli import val_parser


def run(args: argparse.Namespace) -> None:
    """Validate as the parsed arguments say."""
    from vq import commands, paths
    from vq.dry_run import enabled
    from vq.runners.monitor import Monitor

    config = commands.load_config(args, halves=['validator'])
    commands.add_validation(config, args)
    validator = commands.build(config, 'validator', name=f'{args.name}/val')
    monitor = Monitor(
        validator,
        work_dir=paths.work_dir(args.name, dry_run=enabled()),
        files=[paths.resolve_input(path) for path in args.load_model_from],
    )
    monitor.run(names=args.load_from, forever=args.watch)


def main() -> None:
    """Parse the command line, then validate."""
    args = val_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
