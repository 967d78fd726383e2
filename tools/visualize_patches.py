"""Show what each code stands for: patches of images that a tokenizer gave that token.

    python tools/visualize_patches.py CONFIG work_dirs/NAME_tokenize/tokens

One sheet of patches a code, and index.html, which lists them by use with statistics of
the codebook. Interrupted, the same line goes on where it stood.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vq import cli, paths

if TYPE_CHECKING:
    from vq.datasets import TokenDataset

FOLDER = 'visualize_patches'
MOST = 8192  # sheets


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='visualize_patches.py',
        description='Show what each code of a tokenizer stands for: a sheet of image '
        'patches a code, and a page that lists them by use.',
    )
    cli.add_config(parser)
    parser.add_argument(
        'tokens', metavar='TOKENS', help='token store: work_dirs/NAME_tokenize/tokens'
    )
    parser.add_argument(
        '--train', action='store_true', help='the tokens are of the training images'
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help=f'(default {FOLDER}/ beside TOKENS, {FOLDER}_G of sub-token G > 0)',
    )
    numbers = {
        'patches': (36, 'patches of a code, of as many images as possible'),
        'columns': (6, 'of them in a row'),
        'scale': (2, 'times as many pixels a side as the tokenizer saw'),
        'seed': (0, 'of the choice of patches'),
        'sub-token': (0, 'which token of a position, where it has several'),
        'most': (MOST, 'codes that get a sheet, the most used first'),
    }
    for name, (default, text) in numbers.items():
        help_ = f'{text} (default %(default)s)'
        parser.add_argument(
            f'--{name}', type=int, default=default, metavar='N', help=help_
        )
    parser.add_argument(
        '--codes', type=int, nargs='+', metavar='CODE', help='just these'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='rehearse on tokens of a dry run'
    )
    parser.set_defaults(autocast=False)
    return parser


def tokens_folder(path: str) -> Path:
    """Return the folder of the tokens; in a dry run, that of the dry run.

    Raises:
        FileNotFoundError: It does not exist.
    """
    from vq import dry_run

    rehearsed = paths.resolve(path)
    runs = paths.ROOT / 'work_dirs'
    if dry_run.enabled() and rehearsed.is_relative_to(runs):
        rehearsed = runs / 'dry_run' / rehearsed.relative_to(runs)
        if rehearsed.is_dir():
            return rehearsed
    return paths.resolve_input(path)


def output_folder(args: argparse.Namespace, root: Path) -> Path:
    """Return where the sheets go: beside the tokens, or where the user says."""
    if args.out:
        return (Path.cwd() / args.out).resolve()
    suffix = f'_{args.sub_token}' if args.sub_token else ''
    return root.parent / f'{FOLDER}{suffix}'


def draw(args: argparse.Namespace, store: TokenDataset, out: Path) -> None:
    """Draw the sheets and the page, and say what was found.

    Args:
        args: The parsed arguments.
        store: The tokens.
        out: Folder of the result.
    """
    from vq import commands
    from vq.patches import Gallery, Settings
    from vq.runners.base import build_dataset

    if args.most < 1:
        raise ValueError(f'--most must be >= 1, got {args.most}')
    settings = Settings(
        patches=args.patches,
        columns=args.columns,
        scale=args.scale,
        seed=args.seed,
        sub_token=args.sub_token,
    )
    half = 'trainer' if args.train else 'validator'
    config = getattr(commands.load_config(args, halves=[half]), half)
    dataset = build_dataset(config.dataset)
    found = Gallery(store, dataset, out=out, settings=settings).run(
        codes=args.codes, most=args.most, num_workers=config.dataloader['num_workers']
    )
    print(
        f'{found["used"]:,} of {found["codebook_size"]:,} codes are used '
        f'({found["usage"]:.1%}), perplexity {found["perplexity"]:,.1f}, entropy '
        f'{found["entropy"]:.4f} nats; {found["sheets"]:,} sheets: {out / "index.html"}'
    )


def run(args: argparse.Namespace) -> None:
    """Draw as the parsed arguments say, alone in the folder."""
    from vq import distributed
    from vq.datasets import TokenDataset
    from vq.runners.guards import locked

    store = TokenDataset(tokens_folder(args.tokens).resolve())
    out = output_folder(args, store.root)
    with locked(out):
        if distributed.is_main():
            draw(args, store, out)


def main() -> None:
    """Parse the command line, then draw."""
    args = parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
