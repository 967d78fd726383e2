"""Convert a published checkpoint: weights of ours, a record and a config beside it.

`python tools/convert_checkpoints.py taming pretrained/taming/last.ckpt`
"""

import argparse
import logging
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog='convert_checkpoints.py',
        description='Convert a published checkpoint to weights of ours, with a record '
        'of where they come from and a config that fits beside them.',
    )
    made.add_argument('family', help='whose it is: taming, llamagen, diffusers, ...')
    made.add_argument('path', help='the published file, or a folder')
    made.add_argument(
        '--options',
        nargs='*',
        default=[],
        metavar='NAME:VALUE',
        help='options of the family, such as normalize:False',
    )
    made.add_argument(
        '--suffix',
        default='.converted',
        help='what the name of the result adds (default %(default)s)',
    )
    made.add_argument('--out', metavar='FILE', help='the result, instead of a suffix')
    made.add_argument(
        '--container',
        default='',
        metavar='KEY',
        help='take the weights that lie under this key of the file',
    )
    made.add_argument(
        '--check',
        metavar='CONFIG',
        help='load the result into the model of CONFIG, strictly, and run it once',
    )
    made.add_argument(
        '--config-options',
        nargs='*',
        default=[],
        metavar='NAME:VALUE',
        help='options of that config, such as ir_config::CONFIG',
    )
    return made


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(arguments)
    from vq import paths
    from vq.checkpoints import CheckpointError, read_weights
    from vq.config import load, parse_words
    from vq.conversion import find, output, parity

    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        family = find(args.family)
        path = paths.resolve_input(args.path)
        out = path.with_name(path.name + args.suffix)
        if args.out:
            out = (Path.cwd() / args.out).resolve()
        done = output.convert(
            path,
            family,
            out=out,
            options=parse_words(args.options),
            container=args.container,
        )
        print(output.told(done))
        if args.check:
            chosen = parse_words(args.config_options)
            model = load(args.check, options=chosen).trainer.model
            weights = read_weights([out])
            print(parity.report(model, weights, out, parts=family.parts))
    except (ValueError, OSError, CheckpointError) as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
