"""Others' caches of FID's statistics, to ours and back: moments, and what they mean."""

import logging
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vq.config.errors import nearest
from vq.conversion.arrays import ArrayUnpickler, Fields
from vq.conversion.rules import ConversionError, listed
from vq.conversion.unpickling import load_foreign
from vq.datasets.npz import NpzDataset
from vq.metrics.frechet import Gaussian
from vq.metrics.protocol import FIELDS, Protocol
from vq.metrics.statistics import Statistics
from vq.models.extractors import Extractor
from vq.models.extractors.inception import LAYERS
from vq.pretrained.table import INCEPTION

_logger = logging.getLogger(__name__)
MOMENTS = ('mu', 'sigma')
SPATIAL = ('mu_s', 'sigma_s')
PICTURES = 'arr_0'
SYMMETRIC = 1e-5  # of the largest variance: how far rounding may lead
BATCH_SIZE = 50
FREE = [field for field in FIELDS if field != 'number']  # what a user may say


@dataclass(frozen=True, slots=True)
class Kind:
    """Whose cache it is.

    Attributes:
        name: The program's.
        rule: Its way from pixels to Inception, as `InceptionExtractor` calls it.
        layout: How its file is laid out.
    """

    name: str
    rule: str
    layout: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind('pytorch-fid', 'pytorch-fid', 'npz'),
        Kind('clean-fid', 'clean-fid', 'npz'),
        Kind('adm', 'tensorflow', 'npz with sFID'),
        Kind('torch-fidelity', 'tensorflow', 'dict'),
        Kind('todd', 'pytorch-fid', 'named tuple'),
    )
}


def convert(
    kind: Kind, path: Path, *, number: int, fields: Mapping[str, str] | None = None
) -> Statistics:
    """Return the statistics of another program's cache.

    Args:
        kind: Whose it is.
        path: The file.
        number: How many images it was made of; no cache says so.
        fields: What is known of its protocol besides what the kind implies.

    Raises:
        ConversionError: The file or a field is not what it should be.
    """
    if number < 2:
        raise ConversionError(f'moments are of two images at least, got {number}')
    for field in fields or {}:
        if field not in FREE:
            raise ConversionError(
                f'there is no field {field!r} of a protocol; {nearest(field, FREE)}'
            )
    moments = _read(kind, path)
    pooled = _gaussian(moments, MOMENTS, number, path)
    known = _implied(kind, pooled, dict(fields or {}))
    if PICTURES in moments:
        known.setdefault('size', 'x'.join(map(str, _pictures(path).read(0).shape[1:])))
    return Statistics(
        protocol=Protocol(number=number, version=kind.name, **known),
        pooled=pooled,
        spatial=_gaussian(moments, SPATIAL, number, path)
        if SPATIAL[0] in moments
        else None,
    )


def _implied(kind: Kind, pooled: Gaussian, fields: dict[str, str]) -> dict[str, Any]:
    """Return what the kind says of the protocol, with the user's own words on top."""
    dim = len(pooled.mean)
    if 'extractor' in fields and not fields['extractor'].startswith('Inception'):
        return fields
    if dim not in LAYERS:
        raise ConversionError(
            f'no layer of Inception has {dim} features, but {LAYERS}; if they are '
            "another network's, say whose: --field extractor:NAME"
        )
    layer = '' if dim == LAYERS[-1] else f' {dim}'
    implied = dict(
        extractor=f'Inception{layer}',
        resizer=kind.rule,
        weights=INCEPTION,  # each program's port holds the numbers of this file
        dtype='float32',
    )
    return implied | fields


def add_features(
    statistics: Statistics,
    path: Path,
    extractor: Extractor,
    *,
    device: torch.device | str = 'cpu',
) -> None:
    """Compute the features of the pictures in ADM's file, for KID and its kin.

    Args:
        statistics: What was converted from the file.
        path: The file.
        extractor: The network of the statistics, with its weights.
        device: Where it runs.

    Raises:
        ConversionError: It is another network, or there are no pictures.
    """
    stamp: dict[str, Any] = extractor.stamp()
    ours = Protocol(**stamp)
    if differing := ours.differences(statistics.protocol):
        told = '; '.join(f'{k} is {a}, there {b}' for k, (a, b) in differing.items())
        raise ConversionError(f'the features would be of another network: {told}')
    try:
        dataset = _pictures(path)
    except ValueError as error:
        raise ConversionError(f'no features without pictures: {error}') from error
    extractor.to(device)
    found = []
    for start in range(0, len(dataset), BATCH_SIZE):
        indices = range(start, min(start + BATCH_SIZE, len(dataset)))
        batch = torch.stack([dataset.read(index) for index in indices])
        found.append(extractor(batch.to(device)).pooled.cpu())
        _logger.info('features of %d of %d pictures', indices.stop, len(dataset))
    statistics.features = torch.cat(found)


def export(kind: Kind, statistics: Statistics, path: Path) -> None:
    """Write statistics as another program's cache.

    Raises:
        ConversionError: Its format is no plain file, or it would take them for its own
            though they were measured in another way.
    """
    if not kind.layout.startswith('npz'):
        plain = [k.name for k in KINDS.values() if k.layout.startswith('npz')]
        raise ConversionError(
            f'{kind.name} reads pickles, which are not written here; plain formats '
            f'are those of {", ".join(plain)}'
        )
    resizer = statistics.protocol.resizer
    if resizer not in (None, kind.rule):
        raise ConversionError(
            f'{kind.name} resizes by the rule {kind.rule!r}, and these statistics are '
            f'of {resizer!r}; make some with rule={kind.rule!r}'
        )
    arrays = dict(zip(MOMENTS, _arrays(statistics.pooled), strict=True))
    if kind.layout == 'npz with sFID':
        if statistics.spatial is None:
            raise ConversionError(f'{kind.name} needs an inner map, and there is none')
        arrays |= dict(zip(SPATIAL, _arrays(statistics.spatial), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    with aside.open('wb') as file:
        np.savez_compressed(file, **arrays)
    aside.replace(path)


def _arrays(gaussian: Gaussian) -> tuple[Any, Any]:
    return gaussian.mean.numpy(), gaussian.covariance.numpy()


def _pictures(path: Path) -> NpzDataset:
    return NpzDataset(data_root=str(path))


def _read(kind: Kind, path: Path) -> dict[str, Any]:
    """Return the moments in a file, and of what else is there the names.

    Raises:
        ConversionError: It is damaged, or laid out as another kind's.
    """
    found, layout = _contents(path)
    if layout != kind.layout or set(MOMENTS) - found.keys():
        likely = [k.name for k in KINDS.values() if k.layout == layout]
        way_out = f'that is the layout of {" and ".join(likely)}'
        if set(MOMENTS) - found.keys():
            way_out = 'there are no moments in it; `python -m vq.fid` makes some'
        raise ConversionError(
            f'{path} is no cache of {kind.name} but a file ({layout}) of '
            f'{listed(map(str, found)) or "no names"}; {way_out}'
        )
    return found


def _contents(path: Path) -> tuple[dict[Any, Any], str]:
    """Return what a file holds by name, pictures left unread, and its layout."""
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist')
    try:
        with zipfile.ZipFile(path) as archive:
            npz = all(name.endswith('.npy') for name in archive.namelist())
        if npz:
            with np.load(path, allow_pickle=False) as file:
                wanted = (*MOMENTS, *SPATIAL)
                found = {k: file[k] if k in wanted else None for k in file.files}
            return found, 'npz with sFID' if SPATIAL[0] in found else 'npz'
        value, _ = load_foreign(path, ArrayUnpickler)
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        RuntimeError,
        AttributeError,
    ) as error:
        raise ConversionError(
            f'{path} is damaged, or neither an .npz nor a file of torch.save: {error}'
        ) from error
    if isinstance(value, Fields):
        fields = value if len(value) == len(MOMENTS) else ()
        return dict(zip(MOMENTS, fields, strict=False)), 'named tuple'
    return value if isinstance(value, dict) else {}, type(value).__name__


def _gaussian(
    moments: Mapping[str, Any], names: tuple[str, str], number: int, path: Path
) -> Gaussian:
    """Return the Gaussian of two arrays or tensors.

    Raises:
        ConversionError: They are no mean and covariance.
    """
    mean, covariance = (_double(moments.get(name), name, path) for name in names)
    d = len(mean) if mean.ndim == 1 else None
    if covariance.shape != (d, d):
        raise ConversionError(
            f'{path}: {names[0]} must be (d,) and {names[1]} (d, d), got '
            f'{tuple(mean.shape)} and {tuple(covariance.shape)}'
        )
    if not mean.isfinite().all() or not covariance.isfinite().all():
        raise ConversionError(f'{path}: {" or ".join(names)} holds NaN or infinity')
    off = float((covariance - covariance.T).abs().max())
    if off > SYMMETRIC * float(covariance.diagonal().abs().max()):
        raise ConversionError(f'{path}: {names[1]} is not symmetric, by up to {off:g}')
    return Gaussian(mean, covariance, number)


def _double(value: Any, name: str, path: Path) -> Tensor:
    if not isinstance(value, np.ndarray | Tensor):
        raise ConversionError(f'{path}: {name} is no array but {type(value).__name__}')
    return torch.as_tensor(value).double().contiguous()
