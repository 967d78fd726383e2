"""`-m vq.export CONFIG --load-model-from M --format F`: weights for other code.

Our own format, written to a folder, is a model that needs nothing else: its config, and
the weights of all its parts, frozen ones too.
"""

import argparse

from vq.cli import export_parser


def run(args: argparse.Namespace) -> None:
    """Write a model's weights in a published format."""
    import logging
    from pathlib import Path

    from vq import commands, dry_run, paths
    from vq.checkpoints import gather
    from vq.config import apply_overrides, check, load, parse_words
    from vq.conversion import export
    from vq.conversion.output import write_text

    logger = logging.getLogger('vq.export')  # not __main__
    form = export.Format(args.format)
    config = load(
        args.config,
        options=parse_words(args.config_options),
        overrides=parse_words(args.override),
    )
    check(config)
    files = commands.weight_files(args)
    found = gather(files, ema=args.ema) if files else None
    name = f'{config.path.stem}_export'
    out = paths.work_dir(name, dry_run=dry_run.enabled()) / form.file
    if args.out:
        out = (Path.cwd() / args.out).resolve()
    folder = out if form.is_folder(out) else None
    done = export.export(
        config.trainer.model,
        found.weights if found else None,
        form,
        out=folder / form.file if folder else out,
        sources=list(dict.fromkeys(found.origins.values())) if found else (),
        frozen=found.frozen if found else {},
        image_size=args.image_size,
    )
    if folder:
        if 'weights' in config.trainer:  # they are all here
            apply_overrides(config, {'.trainer.weights': []})
        write_text(folder / 'config.py', config.text)
    for line in done:
        logger.info(line)


def main() -> None:
    """Parse the command line, then export."""
    args = export_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
