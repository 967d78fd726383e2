"""`-m vq.export CONFIG --load-model-from M --format F`: weights for other code."""

import argparse

from vq.cli import export_parser


def run(args: argparse.Namespace) -> None:
    """Write a model's weights in a published format."""
    import logging
    from pathlib import Path

    from vq import commands, dry_run, paths
    from vq.checkpoints import read_weights
    from vq.config import check, load, parse_words
    from vq.conversion import export

    logger = logging.getLogger('vq.export')  # not __main__
    form = export.Format(args.format)
    config = load(
        args.config,
        options=parse_words(args.config_options),
        overrides=parse_words(args.override),
    )
    check(config)
    files = commands.weight_files(args)
    weights = read_weights(files, ema=args.ema) if files else None
    name = f'{config.path.stem}_export'
    out = paths.work_dir(name, dry_run=dry_run.enabled()) / form.file
    if args.out:
        out = (Path.cwd() / args.out).resolve()
    done = export.export(
        config.trainer.model,
        weights,
        form,
        out=out,
        sources=files,
        image_size=args.image_size,
    )
    for line in done:
        logger.info(line)


def main() -> None:
    """Parse the command line, then export."""
    args = export_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
