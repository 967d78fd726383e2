"""Weights: read from files and folders, matched to a model with a report, hashed."""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vq.checkpoints.files import CheckpointError, read_file
from vq.checkpoints.folders import Checkpoint
from vq.checkpoints.frozen import FrozenPart, named_by, only

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gathered:
    """What files and checkpoint folders hold together.

    Attributes:
        weights: The merged state dict.
        origins: For each of its keys the file that it comes from.
        frozen: What the checkpoints among them say of frozen parts.
    """

    weights: dict[str, Tensor]
    origins: dict[str, Path]
    frozen: dict[str, FrozenPart]


def read_weights(paths: Sequence[Path], *, ema: bool = False) -> dict[str, Tensor]:
    """Return the weights that `gather` finds."""
    return gather(paths, ema=ema).weights


def gather(
    paths: Sequence[Path],
    *,
    ema: bool = False,
    frozen: Collection[str] = (),
    given: Collection[str] = (),
) -> Gathered:
    """Return the weights of files or checkpoint folders, later ones winning.

    A checkpoint names the files of its frozen parts, which are read too unless another
    one of `paths` holds such a part. Beside such a checkpoint, or where `frozen` names
    parts, a file that holds weights of a frozen part, and is no checkpoint of such a
    model itself, gives nothing else: its decoder is another's.

    Args:
        paths: .pth or .safetensors files, or checkpoint folders.
        ema: Take the averaged weights of checkpoint folders, also where a folder's
            model.pth or model.safetensors is named; if some of them have frozen parts,
            of these only.
        frozen: Parts that are frozen in the model that the weights are for.
        given: Parts whose files are not looked for.

    Raises:
        CheckpointError: A file is damaged or none of ours, or that of a frozen part has
            moved or changed.
    """
    said = [named_by(path) for path in paths]
    parts = {name: part for own in said for name, part in own.items()}
    names = {*frozen, *parts}
    result = Gathered({}, {}, parts)
    for path, own in zip(paths, said, strict=True):
        file = _file(path, ema=ema and (bool(own) or not parts))
        state = _read(file)
        of_model = bool(own) and set(frozen) <= set(own)
        brought = only(state, names)
        if brought and not of_model:
            _tell_left_out(file, state, brought)
            state = brought
        _add(result, state, dict.fromkeys(state, file))
    for path, own in zip(paths, said, strict=True):
        for name, part in own.items():
            if name not in given and not only(result.weights, [name]):
                found = gather([file.find(name, path) for file in part.files])
                _add(result, only(found.weights, [name]), found.origins)
    return result


def _file(path: Path, *, ema: bool) -> Path:
    """Return the file of weights that is meant by a file or a checkpoint folder."""
    stem = 'ema' if ema else 'model'
    if path.is_dir():
        if stem not in Checkpoint(path):
            way_out = '; leave --ema out' if ema else ''
            raise CheckpointError(f'{path} holds no {stem}.pth{way_out}')
        return path / f'{stem}.pth'
    return path.with_stem('ema') if ema and path.stem == 'model' else path


def _read(path: Path) -> dict[str, Tensor]:
    state = read_file(path)
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise CheckpointError(
            f'{path} is no state dict of ours; tools/convert_checkpoints.py '
            'converts published checkpoints'
        )
    return state


def _add(
    result: Gathered, state: Mapping[str, Tensor], origins: Mapping[str, Path]
) -> None:
    result.weights.update(state)
    result.origins.update({key: origins[key] for key in state})


def _tell_left_out(file: Path, state: Sized, brought: Sized) -> None:
    number = len(state) - len(brought)
    if number:
        _logger.info(
            '%s: taken for the frozen parts alone, %d other weights are left out',
            file,
            number,
        )


@dataclass(frozen=True)
class LoadReport:
    """What was loaded into a model, and what was not."""

    loaded: int
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]

    def __str__(self) -> str:
        parts = [f'loaded {self.loaded}']
        for kind in ('missing', 'unexpected', 'mismatched'):
            keys = getattr(self, kind)
            groups = sorted({'.'.join(key.split('.')[:2]) for key in keys})
            parts.append(
                f'{kind} {len(keys)}' + (f' ({", ".join(groups)})' * bool(keys))
            )
        return ', '.join(parts)


def match(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    strict: bool = True,
    parts: Collection[str] = (),
) -> tuple[LoadReport, dict[str, Tensor]]:
    """Return which weights fit a model, in name and shape, and a report.

    A module that takes weights of another's names has a method
    `rename_weights(weights, prefix)`, which is asked first.

    Args:
        model: The model.
        weights: A state dict.
        strict: Refuse when a key of the model is missing or has another shape. Keys
            that the model does not have are reported, never an error.
        parts: Names of the only parts that weights are wanted for; none means all.

    Raises:
        CheckpointError: Something is missing (`strict`), or nothing fits at all.
    """
    for name, module in model.named_modules():
        rename = getattr(module, 'rename_weights', None)
        if rename is not None:
            weights = rename(weights, f'{name}.' if name else '')
    own: Mapping[str, Tensor] = model.state_dict()
    if parts:
        own, weights = only(own, parts), only(weights, parts)
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    report = LoadReport(
        loaded=len(fitting),
        missing=[key for key in own if key not in weights],
        unexpected=[key for key in weights if key not in own],
        mismatched=[
            f'{key} {tuple(value.shape)} for {tuple(own[key].shape)}'
            for key, value in weights.items()
            if key in own and own[key].shape != value.shape
        ],
    )
    if not fitting or (strict and (report.missing or report.mismatched)):
        detail = '; '.join([*report.mismatched[:5], *report.missing[:5]])
        raise CheckpointError(f'the weights do not fit the model: {report}: {detail}')
    return report, fitting


def state_hash(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a state dict: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f'{key} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def part_hash(state: Mapping[str, Tensor], part: str) -> str:
    """Return the `state_hash` of a part's own state dict, out of its model's."""
    own = only(state, [part])
    return state_hash({key.removeprefix(f'{part}.'): own[key] for key in own})


def check_parts(state: Mapping[str, Tensor], frozen: Mapping[str, FrozenPart]) -> None:
    """Refuse frozen parts that are others than those a checkpoint was trained with.

    Args:
        state: A model's state dict; parts that it does not have are passed over.
        frozen: What the checkpoint says.

    Raises:
        CheckpointError: One differs.
    """
    for name, part in frozen.items():
        if not only(state, [name]):
            continue
        found = part_hash(state, name)
        if found != part.state:
            files = ', '.join(file.path for file in part.files) or 'the checkpoint'
            raise CheckpointError(
                f'the frozen {name} is another one than that of the checkpoint: its '
                f'state has the hash {found}, not {part.state}; pass --load-model-from '
                f'with a copy of {files}, or leave it out'
            )


def check_fit(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    source: Path | str,
    *,
    parts: Collection[str] = (),
) -> None:
    """Refuse weights whose keys and shapes are not exactly the model's.

    Args:
        model: The model.
        weights: A state dict.
        source: Where it comes from.
        parts: Names of the only parts that it is of; none means all.

    Raises:
        CheckpointError: Some are missing, unexpected or of another shape; the first few
            are named.
    """
    own: Mapping[str, Tensor] = model.state_dict()
    if parts:
        own = only(own, parts)
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    both = [key for key in own if key in weights]
    mismatched = [key for key in both if own[key].shape != weights[key].shape]
    if missing or unexpected or mismatched:
        raise CheckpointError(
            f'{source} is of another model: {len(missing)} keys are missing '
            f'{missing[:3]}, {len(unexpected)} unexpected {unexpected[:3]}, '
            f'{len(mismatched)} of another shape {mismatched[:3]}'
        )
