"""Command line of `vq.edit`: an action, a config, pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vq.cli.flags import (
    add_autocast,
    add_config,
    add_dry_run,
    add_load_model_from,
)

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]

ORDERS = ('random', 'rows', 'centre')


def edit_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.edit`."""
    parser = argparse.ArgumentParser(
        prog='vq.edit',
        description='Change tokens and see what becomes of pictures: a sheet, a GIF '
        'where there are steps, the tokens, and a record of what was done.',
    )
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    _add_random(actions)
    _add_prior(actions)
    _add_interpolate(actions)
    _add_swap(actions)
    _add_paint(actions)
    _add_replace(actions)
    _add_mask(actions)
    _add_codes(actions)
    return parser


def _action(
    actions: Actions,
    name: str,
    about: str,
    images: str | int | None = None,
) -> argparse.ArgumentParser:
    """Add an action with what all of them take; `images` is how many pictures."""
    parser = actions.add_parser(name, help=about, description=about)
    add_config(parser)
    if images is not None:
        parser.add_argument(
            'images', nargs=images, metavar='IMAGE', help='picture files'
        )
        parser.add_argument(
            '--no-crop',
            action='store_true',
            help='take pictures as they are; their sides must suit the network',
        )
    add_load_model_from(parser)
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    add_autocast(parser)
    add_dry_run(parser)
    parser.add_argument(
        '--seed', type=int, default=0, help='of what is drawn (default: %(default)s)'
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=8,
        metavar='N',
        help='images at a time (default: %(default)s)',
    )
    parser.add_argument(
        '--out', metavar='DIR', help='(default: work_dirs/CONFIG_edit/ACTION)'
    )
    return parser


def _add_random(actions: Actions) -> None:
    parser = _action(actions, 'random', 'pictures of uniformly random codes')
    _add_drawn(parser)


def _add_prior(actions: Actions) -> None:
    about = (
        'samples of a proposal network, or, of a tokenizer, pictures whose codes are '
        'as frequent as in a token store or in pictures'
    )
    parser = _action(actions, 'prior', about, '*')
    _add_drawn(parser)
    add = parser.add_argument
    add('--tokens', metavar='DIR', help='token store whose frequencies are taken')
    add('--per-position', action='store_true', help='frequencies of each position')
    _add_classes(parser)


def _add_interpolate(actions: Actions) -> None:
    about = 'the ways from one picture to another, in latent and in token space'
    parser = _action(actions, 'interpolate', about, 2)
    add = parser.add_argument
    add('--steps', type=int, default=8, help='ends included (default: %(default)s)')
    add('--unquantized', action='store_true', help='show latents without codes, too')
    _add_order(parser, 'tokens are exchanged')


def _add_swap(actions: Actions) -> None:
    parser = _action(actions, 'swap', 'exchange a region of two pictures', 2)
    _add_box(parser, required=True)


def _add_paint(actions: Actions) -> None:
    about = 'fill regions with codes, or with what another picture has there'
    parser = _action(actions, 'paint', about, '+')
    _add_box(parser, required=True)
    paint = parser.add_mutually_exclusive_group(required=True)
    paint.add_argument(
        '--token', nargs='+', metavar='CODE', help='for each box, or one for all'
    )
    paint.add_argument('--source', metavar='IMAGE', help='the other picture')


def _add_replace(actions: Actions) -> None:
    parser = _action(actions, 'replace', 'replace codes wherever they are', '+')
    parser.add_argument(
        '--codes',
        nargs='*',
        required=True,
        metavar='OLD:NEW',
        help='3:7, or of two sub-tokens 3,5:7,1',
    )


def _add_mask(actions: Actions) -> None:
    parser = _action(actions, 'mask', 'lose tokens and fill their places', '+')
    lost = parser.add_mutually_exclusive_group(required=True)
    lost.add_argument(
        '--share', nargs='+', type=float, metavar='S', help='of positions: 0.25 0.5'
    )
    _add_box(lost)
    parser.add_argument(
        '--fill',
        default='commonest',
        metavar='FILL',
        help="the picture's commonest code, random codes, transformer (of a proposal "
        'network), or a code (default: %(default)s)',
    )
    _add_order(parser, 'they are lost')
    _add_classes(parser)


def _add_codes(actions: Actions) -> None:
    parser = _action(actions, 'codes', 'which codes pictures have, and where', '+')
    parser.add_argument(
        '--top', type=int, default=32, help='codes in the table (default: %(default)s)'
    )


def _add_drawn(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--number', type=int, default=16, help='of pictures (default: %(default)s)')
    add(
        '--grid',
        nargs=2,
        type=int,
        metavar=('ROWS', 'COLUMNS'),
        help="of tokens (default: that of the config's pictures)",
    )


def _add_classes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--classes',
        nargs='+',
        type=int,
        metavar='CLASS',
        help='for the transformer, in turn (prior: default all)',
    )


def _add_order(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        '--order',
        choices=ORDERS,
        default='random',
        help=f'in which {what} (default: %(default)s)',
    )


def _add_box(
    parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup,
    *,
    required: bool = False,
) -> None:
    parser.add_argument(
        '--box',
        nargs=4,
        type=int,
        action='append',
        required=required,
        metavar=('TOP', 'LEFT', 'BOTTOM', 'RIGHT'),
        help='in tokens, without row BOTTOM and column RIGHT; may be repeated',
    )
