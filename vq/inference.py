"""`-m vq.inference CONFIG IMAGE ... --load-model-from M`: tokens and pictures."""

import argparse

from vq.cli import inference_parser


def run(args: argparse.Namespace) -> None:
    """Tokenize and reconstruct single pictures."""
    from pathlib import Path

    from vq import commands, distributed, dry_run, paths
    from vq.runners.inference import check_names, infer, prepare

    config = commands.load_config(args, halves=['validator'])
    pictures = [paths.resolve_input(image) for image in args.images]
    check_names(pictures)
    name = f'{config.path.stem}_inference'
    out = paths.work_dir(name, dry_run=dry_run.enabled())
    if args.out:
        out = (Path.cwd() / args.out).resolve()
    transforms = prepare(config, crop=not args.no_crop, ema=args.ema)
    validator = commands.build(config, 'validator', name=name)
    commands.load_weights(validator, commands.weight_files(args))
    mine = pictures[distributed.rank() :: distributed.world_size()]
    for picture in mine:
        infer(validator, picture, transforms=transforms, out=out)


def main() -> None:
    """Parse the command line, then run the network."""
    args = inference_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
