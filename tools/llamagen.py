"""Save the tokens of ten crops of each training image, to train proposal networks on.

    bash tools/torchrun.sh tools/llamagen.py NAME CONFIG --load-model-from MODEL

As LlamaGen does (https://arxiv.org/abs/2406.06525): the image is resized and cut to 1.1
times the size that the tokenizer sees; the crops are the corners and the centre of it
and of its mirror image. Interrupted, the same line goes on where it stood.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vq import cli

if TYPE_CHECKING:
    from vq.config import Config
    from vq.datasets import TokenDataset

LARGER = 1.1  # times the crops' size is what they are cut from
FOLDER = 'llamagen_tokens'
CALLBACKS = [dict(type='LogCallback', interval=50), dict(type='TokenCallback')]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = cli.new_parser(
        'llamagen.py',
        'Save the tokens of ten crops of each training image in '
        'work_dirs/NAME_llamagen/tokens.',
    )
    parser.add_argument('name', help='name of the run')
    cli.add_config(parser)
    parser.add_argument(
        '--val', action='store_true', help='the validation images, in NAME_llamagen_val'
    )
    parser.add_argument(
        '--npy',
        action='store_true',
        help=f"write LlamaGen's own files too, in {FOLDER}/ beside tokens/",
    )
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    cli.add_autocast(parser)
    cli.add_load_model_from(parser)
    return parser


def image_size(config: Config) -> int:
    """Return the side of the images that a config validates with.

    Raises:
        ConfigError: They are not all of one square size.
    """
    from vq.config import ConfigError
    from vq.runners.base import build_dataset

    dataset = config.validator.dataset
    if transforms := dataset.get('transforms'):
        last = transforms[-1]
        size = last.get('size') if last.type.endswith('Crop') else None
    else:
        _, height, width = build_dataset(dataset).read(0).shape
        size = width if width == height else None
    if isinstance(size, int):
        return size
    raise ConfigError(
        'validator.dataset must hold square images, or its transforms must end with a '
        "crop, such as dict(type='CenterCrop', size=256)"
    )


def ten_crops(size: int) -> list[dict[str, Any]]:
    """Return the transforms: ten crops of `size` pixels an image."""
    larger = int(LARGER * size)
    return [
        dict(type='Resize', size=larger),
        dict(type='CenterCrop', size=larger),
        dict(type='TenCrop', size=size),
    ]


def build_config(args: argparse.Namespace) -> tuple[Config, int]:
    """Return the checked config of the tokenizer, and the side of a crop.

    Raises:
        ConfigError: The config or a flag is wrong.
    """
    from vq import commands
    from vq.config import apply_overrides, check

    halves = ['validator'] if args.val else ['trainer', 'validator']
    config = commands.load_config(args, halves=halves)
    size = image_size(config)
    dataset = getattr(config, halves[0]).dataset.to_dict()
    dataset['transforms'] = ten_crops(size)
    if dataset.get('on_error') == 'replace':
        dataset['on_error'] = 'skip'  # each image once
    changes = {'type': 'Tokenizer', 'dataset': dataset, 'callbacks': CALLBACKS}
    if args.ema:
        changes['ema'] = True
    apply_overrides(config, {f'.validator.{k}': v for k, v in changes.items()})
    check(config)
    return config, size


def summary(store: TokenDataset, seconds: float, folder: Path) -> str:
    """Return what was written, for people.

    Args:
        store: The tokens.
        seconds: What the run took.
        folder: That of LlamaGen's files, if they were written.
    """
    from vq.pretrained.progress import duration, human

    meta = store.meta
    size = sum(path.stat().st_size for path in store.root.rglob('*.npy'))
    rows, columns = meta.grid
    lines = [
        f'{len(store):,} of {meta.number:,} images, {meta.crops} crops each, {rows} x '
        f'{columns} tokens a crop: {human(size)} in {store.root}; this took '
        f'{duration(seconds)}',
        f'to train on it: --config-options tokens::{store.root}',
    ]
    if folder.is_dir():
        lines.append(f"LlamaGen's files are in {folder}")
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Tokenize as the parsed arguments say."""
    from vq import commands, distributed
    from vq.datasets import TokenDataset
    from vq.datasets.llamagen_codes import check_one_token, write_codes

    config, size = build_config(args)
    files = commands.weight_files(args)
    suffix = '_llamagen_val' if args.val else '_llamagen'
    tokenizer = commands.build(config, 'validator', name=f'{args.name}{suffix}')
    if args.npy:
        check_one_token(tokenizer.model.tokenizer.quantizer.token_sizes)
    commands.dump(config, tokenizer.work_dir)
    commands.load_weights(tokenizer, files)
    started = time.perf_counter()
    tokenizer.run()
    store = TokenDataset(tokenizer.work_dir / 'tokens')
    folder = tokenizer.work_dir / FOLDER
    if args.npy:
        write_codes(store, folder, image_size=size)
    if distributed.is_main():
        print(summary(store, time.perf_counter() - started, folder))


def main() -> None:
    """Parse the command line, then tokenize."""
    args = parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
