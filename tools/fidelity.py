"""Cross-check a folder of images against a data set through torch-fidelity.

    python tools/fidelity.py imagenet SAMPLES --metrics fid isc --work-dir SAMPLES/..

The pictures pass through our data sets and then through code that is not ours, on one
device. torch_fidelity.txt and metrics.jsonl in the work dir say what came out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from fid import images_config, work_dir
from torch import Tensor
from torch.utils.data import Dataset

from vq import distributed, dry_run, logs, paths, pretrained
from vq.checkpoints.files import sha256
from vq.config import apply_overrides, check, load, parse_words
from vq.datasets.base import ImageDataset
from vq.metrics.protocol import Protocol, data_protocol
from vq.models.extractors.inception import Inception
from vq.runners.base import build_dataset

METRICS = ('fid', 'isc', 'kid', 'prc')
WEIGHTS = 'inception/torch_fidelity'
NETWORK = 'inception-v3-compat'  # torch-fidelity's name of FID's Inception
KID_SUBSET = 1000
NAME = 'torch_fidelity'

_logger = logging.getLogger('vq.fidelity')


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='fidelity.py',
        description='Compare images with those of a data set through torch-fidelity, '
        'on one device.',
    )
    parser.add_argument(
        'dataset', help='a file of configs/fid without .py: imagenet; or a config file'
    )
    parser.add_argument(
        'data_root', metavar='FOLDER', help='folder of .png or .jpg, or .npz'
    )
    parser.add_argument('--train', action='store_true', help='the training images')
    parser.add_argument('--work-dir', help='(default work_dirs/fid/FOLDER)')
    parser.add_argument(
        '--metrics',
        nargs='+',
        default=['fid', 'isc'],
        choices=METRICS,
        help='(default fid isc)',
    )
    parser.add_argument(
        '--config-options',
        nargs='*',
        default=[],
        metavar='NAME::VALUE',
        help="values for the placeholders of the data set's config",
    )
    for number, whose in (1, 'the data set'), (2, 'the folder'):
        parser.add_argument(
            f'--override{number}',
            nargs='*',
            default=[],
            metavar='.PATH:VALUE',
            help=f'change the config of {whose}: .transforms:[]',
        )
    parser.add_argument(
        '--batch-size', type=int, default=64, help='(default %(default)s)'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='rehearse: 4 images, no weights needed'
    )
    return parser


class Pixels(Dataset[Tensor]):
    """The pictures of a data set as torch-fidelity takes them: uint8, (3, h, w)."""

    def __init__(self, dataset: ImageDataset) -> None:
        self._dataset = dataset
        self._size = self._read(0).shape

    def _read(self, index: int) -> Tensor:
        return self._dataset[index].original_image  # type: ignore[union-attr]

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Tensor:
        pixels = self._read(index)
        if pixels.shape != self._size:
            raise ValueError(
                f'{self._dataset.id(index)} is {tuple(pixels.shape)}, the first image '
                f'{tuple(self._size)}; make all one size, or pass --override1 or '
                '--override2 \'.transforms:[dict(type="CenterCrop",size=256)]\''
            )
        return pixels.contiguous()

    @property
    def size(self) -> str:
        """Height and width as protocols write them."""
        return 'x'.join(map(str, self._size[1:]))


def reference_config(args: argparse.Namespace) -> Any:
    """Return the config of the data set that a user names."""
    path = args.dataset
    if '/' not in path and not path.endswith('.py'):
        path = f'configs/fid/{path}.py'
    config = load(path, options=parse_words(args.config_options))
    return (config.trainer if args.train else config.validator).dataset


def changed(config: Any, words: list[str]) -> Any:
    """Return a data set's config with overrides, checked."""
    apply_overrides(config, words)
    check(config)
    return config


def weights(folder: Path) -> Path:
    """Return the file of Inception's weights.

    Raises:
        FileNotFoundError: It is missing; a dry run takes random ones.
    """
    try:
        return pretrained.find(WEIGHTS)
    except FileNotFoundError as error:
        if not dry_run.enabled():
            raise
        _logger.warning('dry run: Inception is random: %s', error)
        path = folder / 'random.pth'
        torch.save(Inception().state_dict(), path)
        return path


def compare(
    ours: Pixels, theirs: Pixels, *, args: argparse.Namespace, file: Path, cache: Path
) -> dict[str, float]:
    """Return what torch-fidelity computes.

    Args:
        ours: The images of the folder.
        theirs: Those of the data set.
        args: `metrics`, `batch_size`.
        file: Inception's weights.
        cache: Where the data set's features are kept: a folder, and the name in it.
    """
    import torch_fidelity

    size = min(KID_SUBSET, len(ours), len(theirs))
    if 'kid' in args.metrics and size < KID_SUBSET:
        _logger.warning(
            'KID of subsets of %d images, not %d: there are no more', size, KID_SUBSET
        )
    found: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=ours,
        input2=theirs,
        **{name: name in args.metrics for name in METRICS},
        # Named, or precision and recall would come from another network, VGG16.
        feature_extractor=NETWORK,
        feature_extractor_weights_path=str(file),
        kid_subset_size=size,
        batch_size=args.batch_size,
        cuda=distributed.device().type == 'cuda',
        input2_cache_name=cache.name,
        cache_root=str(cache.parent),
    )
    return found


def run(args: argparse.Namespace) -> None:
    """Compare, and write the results down.

    Raises:
        ValueError: torch-fidelity is not installed, or there are several ranks.
    """
    try:
        import torch_fidelity
    except ImportError:
        raise ValueError(
            "torch-fidelity is not installed; run: pip install -e '.[fid]'"
        ) from None
    if distributed.world_size() > 1:
        raise ValueError('torch-fidelity runs on one device; start with plain python')
    source = paths.resolve_input(args.data_root).resolve()
    folder = work_dir(args, source)
    logs.set_up(folder)
    file = weights(folder)
    reference = build_dataset(changed(reference_config(args), args.override1))
    theirs = Pixels(reference)
    ours = Pixels(build_dataset(changed(images_config(source), args.override2)))
    if ours.size != theirs.size:
        _logger.warning(
            'the folder has %s pixels, the data set %s', ours.size, theirs.size
        )
    stamp = Protocol(
        number=len(ours),
        size=ours.size,
        resizer='tensorflow',
        extractor='Inception',
        weights=sha256(file),
        dtype='float32',
        version=f'torch-fidelity {torch_fidelity.__version__}',
    )
    known = data_protocol(reference).to_dict()
    key = json.dumps([known, theirs.size, stamp.weights, stamp.version]).encode()
    cache = folder / f'{NAME}_cache' / hashlib.sha256(key).hexdigest()[:16]
    metrics = compare(ours, theirs, args=args, file=file, cache=cache)
    protocol = dict(stamp.to_dict(), reference=args.dataset, reference_protocol=known)
    write(folder, source, metrics, protocol)
    print(json.dumps(metrics))


def write(
    folder: Path, source: Path, metrics: dict[str, float], protocol: dict[str, Any]
) -> None:
    """Append the results to metrics.jsonl and, as people read them, to a text."""
    found = {f'{NAME}/{key}': value for key, value in metrics.items()}
    record = dict(source=str(source), **found, protocols={NAME: protocol})
    logs.append_json(folder / 'metrics.jsonl', record)
    known = protocol['reference_protocol']
    name = ' '.join(known[key] for key in ('dataset', 'split') if key in known)
    parts = [
        f'{source} ({protocol["number"]} images) and {name} ({known["number"]} images)',
        *(f'{key} {value:.6f}' for key, value in metrics.items()),
        f'{protocol["version"]}, weights {protocol["weights"][:12]}',
    ]
    with (folder / f'{NAME}.txt').open('a') as file:
        file.write(f'{logs.timestamp()} {"; ".join(parts)}\n')


def main() -> None:
    """Parse the command line, then compare."""
    args = parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
