"""Command lines that only read: `vq.config`, `vq.compare`."""

import argparse

from vq.cli.flags import add_config


def config_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.config`."""
    parser = argparse.ArgumentParser(
        prog='vq.config',
        description='Show the resolved config and where each value comes from, '
        'and check it against the classes it names.',
    )
    add_config(parser)
    parser.add_argument(
        '--key', metavar='.PATH', help='show this part only: .trainer.optimizers'
    )
    parser.add_argument(
        '--plain', action='store_true', help='leave the sources out, as in a dump'
    )
    return parser


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.compare`."""
    parser = argparse.ArgumentParser(
        prog='vq.compare',
        description='Put metrics, cost and config differences of runs side by side. A '
        'letter marks numbers that were not measured in the same way.',
    )
    parser.add_argument(
        'runs', nargs='+', metavar='RUN', help='NAME, NAME_test, or a folder of metrics'
    )
    parser.add_argument(
        '--checkpoints',
        default='last',
        metavar='WHICH',
        help='of each run: last, all, or best:METRIC (default %(default)s)',
    )
    parser.add_argument(
        '--metrics', nargs='+', default=[], metavar='METRIC', help='show just these'
    )
    parser.add_argument('--sort', metavar='METRIC', help='the best row first')
    parser.add_argument(
        '--format',
        default='text',
        choices=['text', 'csv', 'markdown'],
        help='(default %(default)s)',
    )
    parser.add_argument('--out', metavar='FILE', help='write there, not to the console')
    return parser
