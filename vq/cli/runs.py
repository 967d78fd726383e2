"""Command lines of training and validation: `vq.train`, `vq.val`, `vq.test`."""

import argparse

from vq.cli.flags import (
    SEED,
    add_autocast,
    add_comparison,
    add_config,
    add_load_model_from,
    new_parser,
)


def _add_validation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--visual',
        metavar='REGEX',
        help='save each picture whose kind (image, reconstruction, completed, '
        'generated) matches fully',
    )
    parser.add_argument('--tokenize', action='store_true', help='save tokens too')
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    add_comparison(parser)


def train_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.train`."""
    parser = new_parser('vq.train', 'Train the model of CONFIG in work_dirs/NAME.')
    parser.add_argument('name', help='name of the run, its folder under work_dirs/')
    add_config(parser)
    parser.add_argument('--seed', type=int, default=SEED, help='(default %(default)s)')
    add_autocast(parser)
    add_load_model_from(parser)
    parser.add_argument(
        '--load-from',
        metavar='DIR',
        help='checkpoint folder to go on from: .../checkpoints/iter_N',
    )
    parser.add_argument(
        '--auto-resume',
        action='store_true',
        help="go on from the run's newest good checkpoint, if there is one",
    )
    return parser


def val_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.val`."""
    parser = new_parser(
        'vq.val', 'Validate the checkpoints of run NAME as they appear.'
    )
    parser.add_argument('name', help='name of the training run')
    add_config(parser)
    _add_validation(parser)
    add_autocast(parser)
    add_load_model_from(parser)
    parser.add_argument(
        '--load-from',
        nargs='+',
        metavar='NAME',
        help='validate just these, waiting for each: iter_{15..26}0000',
    )
    parser.add_argument(
        '--watch',
        action='store_true',
        help='never stop, not even when the training has finished',
    )
    return parser


def test_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.test`."""
    parser = new_parser('vq.test', 'Validate weights once, in work_dirs/NAME_test.')
    parser.add_argument('name', help='name of the run')
    add_config(parser)
    _add_validation(parser)
    add_autocast(parser)
    add_load_model_from(parser)
    return parser
