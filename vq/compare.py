"""`python -m vq.compare RUN RUN ...`: runs side by side."""

import argparse

from vq.cli import compare_parser


def run(args: argparse.Namespace) -> str:
    """Return the comparison as the parsed arguments ask for it."""
    from vq.comparison import FORMATS, read, tabulate

    runs = [read(name) for name in args.runs]
    table = tabulate(
        runs, checkpoints=args.checkpoints, metrics=args.metrics, sort=args.sort
    )
    return FORMATS[args.format](table)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, then print the comparison or write it."""
    args = compare_parser().parse_args(arguments)
    import sys
    from pathlib import Path

    try:
        text = run(args)
        if args.out:
            (Path.cwd() / args.out).write_text(text, encoding='utf-8')
        else:
            print(text, end='')
    except (ValueError, OSError) as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
