"""Command line of `vq.generate`: what to sample, how, and what becomes of it."""

import argparse

from vq.cli.flags import add_autocast, add_config, add_load_model_from, new_parser


def generate_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.generate`."""
    parser = new_parser(
        'vq.generate',
        'Sample images from a proposal network. The same line again goes on with what '
        'is there; sample i depends on the seed and i alone.',
    )
    add_config(parser)
    add_load_model_from(parser)
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    add_autocast(parser)
    parser.add_argument(
        '--compile', action='store_true', help='compile the step from token to token'
    )
    _add_subjects(parser)
    _add_sampling(parser)
    _add_output(parser)
    return parser


def _add_subjects(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('what to sample').add_argument
    add(
        '--classes',
        nargs='+',
        type=int,
        metavar='CLASS',
        help='by index; samples take them in turn (default: all). With --complete and '
        '--edit: that of the pictures, or one each',
    )
    add(
        '--number',
        type=int,
        help='of samples in all (default: 8 a class of --classes, else 16); with '
        '--complete and --edit of each picture (default: 4); with --interpolate of '
        'ways from class to class (default: 1)',
    )
    add('--complete', nargs='+', metavar='IMAGE', help='go on from their first rows')
    add('--rows', type=int, metavar='R', help='of tokens that --complete keeps')
    add('--edit', nargs='+', metavar='IMAGE', help='redraw a box of them')
    add(
        '--box',
        nargs=4,
        type=int,
        metavar=('TOP', 'LEFT', 'BOTTOM', 'RIGHT'),
        help='what --edit redraws, in tokens, without row BOTTOM and column RIGHT',
    )
    add('--interpolate', nargs=2, type=int, metavar=('FROM', 'TO'), help='two classes')
    add('--steps', type=int, default=8, help='of --interpolate (default: %(default)s)')


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        'how to sample',
        "By default as the config's model.sampling says. Several values make a sweep "
        'over all combinations, each in a folder below OUT.',
    )
    add = group.add_argument
    add('--cfg', nargs='+', type=float, metavar='SCALE', help='of guidance; 1 is none')
    add('--cfg-schedule', choices=['constant', 'linear', 'power'])
    add('--cfg-power', type=float, metavar='POWER', help='of the schedule of that name')
    add('--cfg-tokens', type=int, metavar='N', help='guide the first N tokens only')
    add('--temperature', nargs='+', type=float, help='0 takes the likeliest token')
    add('--top-k', nargs='+', type=int, metavar='K', help='0 keeps all')
    add('--top-p', type=float, metavar='P', help='1 keeps all')
    add('--seed', type=int, default=0, help='(default: %(default)s)')


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('what becomes of it').add_argument
    add(
        '--batch-size',
        type=int,
        metavar='N',
        help="of all ranks together (default: the validator's)",
    )
    add(
        '--out',
        metavar='DIR',
        help='OUT/CLASS/000000.png ...; beside it OUT.png, a sheet, and OUT.json, what '
        'made them (default: work_dirs/CONFIG_generate/samples, completed, edited or '
        'interpolated; a dry run always writes there, in work_dirs/dry_run)',
    )
    add('--npz', action='store_true', help="OUT.npz too, as ADM's evaluation reads it")
    add(
        '--allow-mismatch',
        action='store_true',
        help='measure a sweep against statistics made in another way',
    )
