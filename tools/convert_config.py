"""Settings of another code base as a config of ours that builds the same network.

`python tools/convert_config.py movqgan_67M.yaml --out configs/mine/movqgan.py`
"""

import argparse
import sys
import tempfile
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog='convert_config.py',
        description='Write a config of ours that builds the same network as settings '
        'of another code base, and account for every key: YAML of taming-transformers '
        'and MoVQGAN, JSON of the adapter for videos, command lines of LlamaGen.',
    )
    made.add_argument('file', help='the settings')
    made.add_argument('--out', metavar='FILE', help='the config; else it is shown')
    made.add_argument(
        '--kind',
        default='',
        help='taming, adapter, llamagen or llamagen_gpt, if the content does not tell',
    )
    made.add_argument(
        '--check',
        metavar='CHECKPOINT',
        help='compare names and shapes with those of a checkpoint of that code base, '
        'or with JSON that lists them',
    )
    made.add_argument(
        '--gpus',
        type=int,
        metavar='N',
        help='processes of a training, where the settings do not tell: batch size and '
        'base_learning_rate are those of one',
    )
    made.add_argument(
        '--images',
        type=int,
        metavar='N',
        help='pictures in the training set, for settings that count epochs',
    )
    made.add_argument(
        '--no-scale-lr',
        action='store_true',
        help='take base_learning_rate as it is, as --scale_lr False does there',
    )
    return made


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(arguments)
    from vq.checkpoints import CheckpointError
    from vq.recipes import Options, convert, report

    options = Options(gpus=args.gpus, images=args.images, scale_lr=not args.no_scale_lr)
    try:
        with tempfile.TemporaryDirectory() as folder:
            shown = Path(folder) / 'config.py'
            out = (Path.cwd() / args.out) if args.out else shown
            done = convert(
                Path(args.file),
                out,
                kind=args.kind,
                options=options,
                checkpoint=Path(args.check) if args.check else None,
            )
        print(report(done))
        print(f'written: {args.out}' if args.out else f'\n{done.text}')
    except (ValueError, OSError, CheckpointError) as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
