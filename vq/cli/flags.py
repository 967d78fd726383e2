"""What several command lines share."""

import argparse

SEED = 3407


def new_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a command that can be rehearsed."""
    parser = argparse.ArgumentParser(prog=command, description=description)
    add_dry_run(parser)
    return parser


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run`."""
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='rehearse: 8 tiny iterations, no data or weights needed (= DRY_RUN=True)',
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add a config, and the flags that change it."""
    parser.add_argument('config', help='config file: configs/vqgan/X.py')
    add_changes(parser, example='.trainer.iters:1000')


def add_changes(parser: argparse.ArgumentParser, *, example: str) -> None:
    """Add the flags that change a config; `example` is shown in the help."""
    parser.add_argument(
        '--config-options',
        nargs='*',
        default=[],
        metavar='NAME::VALUE',
        help='values for the placeholders of the config files',
    )
    parser.add_argument(
        '--override',
        nargs='*',
        default=[],
        metavar='.PATH:VALUE',
        help=f'change the assembled config: {example}',
    )


def add_autocast(parser: argparse.ArgumentParser) -> None:
    """Add `--autocast`."""
    parser.add_argument(
        '--autocast',
        action='store_true',
        help='bf16 where the device has it, else fp16 with a gradient scaler',
    )


def add_load_model_from(parser: argparse.ArgumentParser) -> None:
    """Add `--load-model-from`."""
    parser.add_argument(
        '--load-model-from',
        nargs='+',
        default=[],
        metavar='PATH',
        help='weight files or checkpoint folders; where two hold a key, the later wins',
    )


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add the flags of whatever compares with cached statistics."""
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out metrics whose weights or statistics are missing',
    )
    parser.add_argument(
        '--allow-mismatch',
        action='store_true',
        help='compare with statistics made in another way; the record then says so',
    )
