"""Statistics of a set of images in a file: moments, and perhaps features, stamped.

`pretrained/fid/imagenet_val.safetensors` holds tensors, and in its header, as in the
.json beside it, the protocol. `vq.fid` writes it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vq import paths
from vq.checkpoints.files import WRITE_ERRORS, sync, write_json, write_safetensors
from vq.metrics.frechet import Gaussian
from vq.metrics.protocol import Protocol

FOLDER = 'pretrained/fid'
SUFFIX = '.safetensors'
KEY = 'protocol'  # in the header


class MissingStatisticsError(FileNotFoundError):
    """There is no such file of statistics; says what makes it."""


@dataclass(slots=True)
class Statistics:
    """What an extractor sees in a set of images.

    Attributes:
        protocol: Which images and which extractor.
        pooled: Moments of the pooled features.
        spatial: Moments of the flattened inner map, for sFID.
        features: Pooled features of some of the images, float32, (n, d), for KID,
            precision and recall.
    """

    protocol: Protocol
    pooled: Gaussian
    spatial: Gaussian | None = None
    features: Tensor | None = None

    def save(self, path: Path) -> None:
        """Write PATH (.safetensors) and a .json with the protocol beside it."""
        tensors = {f'pooled/{k}': v for k, v in _tensors(self.pooled).items()}
        if self.spatial is not None:
            tensors |= {f'spatial/{k}': v for k, v in _tensors(self.spatial).items()}
        if self.features is not None:
            tensors['features'] = self.features.float().cpu().contiguous()
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f'.{path.name}.{os.getpid()}')
        stamp = self.protocol.to_dict()
        try:
            write_safetensors(aside, tensors, **{KEY: json.dumps(stamp)})
            sync(aside)
            aside.replace(path)
        except WRITE_ERRORS:
            aside.unlink(missing_ok=True)
            raise
        write_json(path.with_suffix('.json'), stamp)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            MissingStatisticsError: It is not there.
            ValueError: It is damaged, or something else, or holds NaN or infinity.
        """
        if not path.is_file():
            raise missing(path)
        try:
            with safe_open(path, framework='pt') as file:
                stamp = dict(json.loads((file.metadata() or {})[KEY]))
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            has_spatial = 'spatial/mean' in tensors
            return cls(
                protocol=Protocol.from_dict(stamp),
                pooled=_gaussian(tensors, 'pooled'),
                spatial=_gaussian(tensors, 'spatial') if has_spatial else None,
                features=tensors.get('features'),
            )
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{path} is damaged or no file of statistics ({error}); those of '
                'others are converted by tools/convert_statistics.py'
            ) from error


def _tensors(gaussian: Gaussian) -> dict[str, Tensor]:
    return dict(
        mean=gaussian.mean.cpu().contiguous(),
        covariance=gaussian.covariance.cpu().contiguous(),
        count=torch.tensor(gaussian.count),
    )


def _gaussian(tensors: dict[str, Tensor], kind: str) -> Gaussian:
    gaussian = Gaussian(
        mean=tensors[f'{kind}/mean'],
        covariance=tensors[f'{kind}/covariance'],
        count=int(tensors[f'{kind}/count']),
    )
    gaussian.check()
    return gaussian


def locate(reference: str) -> Path:
    """Return the path of statistics: of a name, `imagenet_val`, or of a file."""
    if '/' in reference or reference.endswith(SUFFIX):
        return paths.resolve(reference)
    return paths.resolve(FOLDER) / f'{reference}{SUFFIX}'


def find_matching(images: Protocol) -> str:
    """Return the name of the statistics below pretrained/fid of just these images.

    Args:
        images: Which images, and how they are seen.

    Raises:
        MissingStatisticsError: There are none; says which are of the same images seen
            in another way, and what makes some.
    """
    near = []
    for path in sorted(paths.resolve(FOLDER).glob(f'*{SUFFIX}')):
        theirs = _read_stamp(path)
        if images.ids is None or theirs.ids != images.ids:
            continue
        differences = images.differences(theirs)
        if not differences:
            return path.stem
        told = (
            f'{k} is {ours}, there {other}' for k, (ours, other) in differences.items()
        )
        near.append(f'{path.stem} are of them, but {"; ".join(told)}')
    words = [images.dataset, images.split, images.number and f'{images.number} images']
    which = ', '.join(str(word) for word in words if word)
    raise MissingStatisticsError(
        f'no statistics in {paths.resolve(FOLDER)} are of the validation images '
        f'({which}){"".join(f"; {one}" for one in near)}; make them: auto_torchrun -m '
        'vq.fid DATASET, a file in configs/fid, or name others by `reference`'
    )


def _read_stamp(path: Path) -> Protocol:
    """Return the protocol of a file; an empty one where it is none of ours."""
    try:
        with safe_open(path, framework='pt') as file:
            return Protocol.from_dict(json.loads((file.metadata() or {})[KEY]))
    except (SafetensorError, KeyError, TypeError, ValueError):
        return Protocol()


def missing(path: Path) -> MissingStatisticsError:
    """Return the error of a missing file, with the command that makes it."""
    return MissingStatisticsError(f'{path} is missing; make it: {make_command(path)}')


def make_command(path: Path) -> str:
    """Return the command that makes a file of statistics, by the file's name."""
    dataset = path.stem.removesuffix('_val').removesuffix('_train')
    flag = ' --train' if path.stem.endswith('_train') else ''
    return f'auto_torchrun -m vq.fid {dataset}{flag}'
