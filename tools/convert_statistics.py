"""Convert another program's cached statistics of FID to ours, or ours to theirs.

`python tools/convert_statistics.py pytorch-fid imagenet.npz --number 50000`
"""

import argparse
import logging
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog='convert_statistics.py',
        description="Convert another program's cached statistics of FID to ours, with "
        'what is known of how they were made.',
    )
    made.add_argument(
        'kind', help='whose: pytorch-fid, clean-fid, adm, torch-fidelity or todd'
    )
    made.add_argument('path', help='the file; with --export, ours: imagenet_val')
    made.add_argument(
        '--number',
        type=int,
        metavar='N',
        help='of how many images they are: 50000 for the validation split of ImageNet, '
        '1281167 for its training split; no cache says so',
    )
    made.add_argument(
        '--name', help='of the result in pretrained/fid (default: that of the file)'
    )
    made.add_argument(
        '--field',
        nargs='*',
        default=[],
        metavar='NAME:VALUE',
        help='what else is known: dataset:ImageNet split:val size:256x256',
    )
    made.add_argument(
        '--features',
        action='store_true',
        help="adm: compute the features of the file's pictures too, for KID, precision "
        'and recall',
    )
    made.add_argument(
        '--weights',
        default='pytorch_fid/inception',
        metavar='FILE',
        help='of Inception, for --features: a path, or a name (default %(default)s)',
    )
    made.add_argument(
        '--export',
        action='store_true',
        help='the other way: write ours as a cache of KIND',
    )
    made.add_argument('--out', metavar='FILE', help='the cache that --export writes')
    return made


def convert(args: argparse.Namespace) -> str:
    """Convert theirs to ours; return what was done."""
    import torch

    from vq import paths
    from vq.conversion import statistics
    from vq.metrics.statistics import locate
    from vq.registry import MODELS

    kind, path = _kind(args.kind), paths.resolve_input(args.path)
    if args.number is None:
        raise ValueError(
            f'{path.name} does not say of how many images it is, and the exact '
            'distance depends on it: pass --number (ImageNet: 50000 val, 1281167 train)'
        )
    fields = dict(_field(word) for word in args.field)
    done = statistics.convert(kind, path, number=args.number, fields=fields)
    if args.features:
        cfg = dict(type='InceptionExtractor', rule=kind.rule, weights=args.weights)
        extractor = MODELS.build(cfg)
        extractor.load_pretrained()
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        statistics.add_features(done, path, extractor, device=device)
    out = locate(args.name or path.stem)
    done.save(out)
    known = done.protocol.to_dict()
    rows = [
        f'written: {out}, moments of {len(done.pooled.mean)} features'
        + (', and of the inner map of sFID' if done.spatial else '')
        + ('' if done.features is None else f', and {len(done.features)} features'),
        'known: ' + ', '.join(f'{key} {value}' for key, value in known.items()),
    ]
    if unknown := done.protocol.unknown():
        rows.append(
            f'unknown, hence not compared: {", ".join(unknown)}; --field NAME:VALUE '
            'says more'
        )
    return '\n'.join(rows)


def export(args: argparse.Namespace) -> str:
    """Convert ours to theirs; return what was done."""
    from vq.conversion import statistics
    from vq.metrics.statistics import Statistics, locate

    path = locate(args.path)
    out = path.with_suffix(f'.{args.kind}.npz')
    if args.out:
        out = (Path.cwd() / args.out).resolve()
    statistics.export(_kind(args.kind), Statistics.load(path), out)
    return f'written: {out}'


def _kind(name: str):
    from vq.config.errors import nearest
    from vq.conversion.statistics import KINDS

    if name not in KINDS:
        raise ValueError(f'there is no kind {name!r}; {nearest(name, KINDS)}')
    return KINDS[name]


def _field(word: str) -> tuple[str, str]:
    name, colon, value = word.partition(':')
    if not colon or not value:
        raise ValueError(f'--field takes NAME:VALUE, got {word!r}')
    return name, value.removeprefix(':')


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(arguments)
    from vq.checkpoints import CheckpointError

    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        print(export(args) if args.export else convert(args))
    except (ValueError, OSError, CheckpointError) as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
