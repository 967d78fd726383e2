"""Convert a published checkpoint: weights of ours, a record and a config beside it.

`python tools/convert_checkpoints.py taming pretrained/taming/last.ckpt`
"""

import logging
import sys
from pathlib import Path

from vq.cli import convert_parser as parser


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
            model = load(args.check).trainer.model
            print(parity.report(model, read_weights([out]), out))
    except (ValueError, OSError, CheckpointError) as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
