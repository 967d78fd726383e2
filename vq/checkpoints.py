"""Checkpoints: folders that are complete or absent, and weights loaded with a report.

A checkpoint `iter_N/` holds plain tensors and JSON only, so that every file opens with
`weights_only=True`. `meta.json` lists each file with its size and SHA-256.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_logger = logging.getLogger(__name__)
State = dict[str, Any]
META = 'meta.json'


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, is damaged, or does not fit."""


def iteration(folder: Path) -> int:
    """Return N of a folder called `iter_N`, or -1."""
    match = re.fullmatch(r'iter_(\d+)', folder.name)
    return int(match[1]) if match else -1


def list_checkpoints(root: Path) -> list[Path]:
    """Return the checkpoint folders below `root`, oldest first."""
    if not root.is_dir():
        return []
    found = [p for p in root.iterdir() if iteration(p) >= 0 and not p.is_symlink()]
    return sorted(found, key=iteration)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    aside.write_text(json.dumps(value, indent=2) + '\n')
    _sync(aside)
    aside.replace(path)


def _write_weights(stem: Path, state: Mapping[str, Tensor]) -> None:
    torch.save(dict(state), stem.with_suffix('.pth'))
    # safetensors refuses tensors that share memory, hence the clones.
    plain = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}
    save_file(plain, stem.with_suffix('.safetensors'))


def write(
    folder: Path,
    *,
    weights: Mapping[str, Mapping[str, Tensor]],
    states: Mapping[str, Any],
    meta: Mapping[str, Any],
) -> None:
    """Write a checkpoint folder that appears complete or not at all.

    Args:
        folder: Where it shall be; an older one of that name is replaced.
        weights: State dicts by file stem ('model', 'ema'), as .pth and .safetensors.
        states: Further states by file stem, plain tensors, numbers and containers.
        meta: What goes into meta.json beside the list of files.

    Raises:
        CheckpointError: It cannot be written (a full disk, say); nothing is left behind.
    """
    aside = folder.with_name(f'.{folder.name}.writing')
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        for stem, state in weights.items():
            _write_weights(aside / stem, state)
        for stem, value in states.items():
            torch.save(value, aside / f'{stem}.pth')
        files = {}
        for path in sorted(aside.iterdir()):
            _sync(path)
            files[path.name] = dict(size=path.stat().st_size, sha256=_sha256(path))
        write_json(aside / META, dict(meta, files=files))
        _sync(aside)
        _replace(aside, folder)
    except (OSError, RuntimeError) as error:  # torch.save turns ENOSPC into RuntimeError
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(f'{folder} was not written: {error}') from error


def _replace(aside: Path, folder: Path) -> None:
    if folder.exists():
        old = folder.with_name(f'.{folder.name}.old')
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.rename(folder)
    _sync(folder.parent)


def link_latest(folder: Path) -> None:
    """Let `latest` beside `folder` point to it, by a relative link."""
    aside = folder.with_name('.latest')
    aside.unlink(missing_ok=True)
    aside.symlink_to(folder.name)
    aside.replace(folder.with_name('latest'))


def clean(root: Path) -> None:
    """Remove what killed writers left below `root`."""
    for pattern in ('.iter_*.writing', '.iter_*.old'):
        for path in root.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def damage(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint folder, or None."""
    try:
        files = json.loads((folder / META).read_text())['files']
    except FileNotFoundError:
        return f'{folder / META} is missing'
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f'{folder / META} cannot be read: {error!r}'
    for name, record in files.items():
        path = folder / name
        if not path.is_file():
            return f'{path} is missing'
        if path.stat().st_size != record['size']:
            return f'{path} has {path.stat().st_size} bytes, not {record["size"]}'
        if _sha256(path) != record['sha256']:
            return f'{path} does not have the SHA-256 that meta.json lists'
    return None


def newest_good(root: Path) -> Path | None:
    """Return the newest undamaged checkpoint below `root`, warning of damaged ones."""
    for folder in reversed(list_checkpoints(root)):
        problem = damage(folder)
        if problem is None:
            return folder
        _logger.warning('damaged checkpoint passed over: %s', problem)
    return None


@dataclass(frozen=True)
class Checkpoint:
    """An undamaged checkpoint folder.

    Raises:
        CheckpointError: It is damaged; the newest good one beside it is named.
    """

    folder: Path

    def __post_init__(self) -> None:
        problem = damage(self.folder)
        if problem is not None:
            good = newest_good(self.folder.parent)
            raise CheckpointError(
                f'damaged checkpoint: {problem}; '
                + (f'the newest good one is {good}' if good else 'none beside it is good')
            )

    @property
    def meta(self) -> dict[str, Any]:
        """What meta.json holds."""
        meta: dict[str, Any] = json.loads((self.folder / META).read_text())
        return meta

    def __contains__(self, stem: str) -> bool:
        return (self.folder / f'{stem}.pth').is_file()

    def read(self, stem: str) -> Any:
        """Return the state saved as STEM.pth, on the CPU."""
        return read_file(self.folder / f'{stem}.pth')


def read_file(path: Path) -> Any:
    """Return what a .pth or .safetensors file holds, on the CPU, executing nothing.

    Raises:
        CheckpointError: The file is damaged, or holds more than plain tensors.
    """
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch.load raises a dozen kinds for a bad file
        raise CheckpointError(f'{path} is damaged or foreign: {error}') from error


def read_weights(paths: Sequence[Path], *, ema: bool = False) -> dict[str, Tensor]:
    """Return the weights that files or checkpoint folders hold, later ones winning.

    Args:
        paths: .pth or .safetensors files, or checkpoint folders.
        ema: Take the averaged weights of checkpoint folders.
    """
    merged: dict[str, Tensor] = {}
    stem = 'ema' if ema else 'model'
    for path in paths:
        if path.is_dir():
            checkpoint = Checkpoint(path)
            if stem not in checkpoint:
                raise CheckpointError(f'{path} holds no {stem}.pth')
            path = path / f'{stem}.pth'
        elif ema and path.name == 'model.pth':
            path = path.with_name('ema.pth')
        state = read_file(path)
        if not isinstance(state, dict) or not all(
            isinstance(value, Tensor) for value in state.values()
        ):
            raise CheckpointError(
                f'{path} is no state dict of ours; tools/convert_checkpoints.py '
                'converts published checkpoints'
            )
        merged |= state
    return merged


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
            parts.append(f'{kind} {len(keys)}' + (f' ({", ".join(groups)})' * bool(keys)))
        return ', '.join(parts)


def match(
    model: nn.Module, weights: Mapping[str, Tensor], *, strict: bool = True
) -> tuple[LoadReport, dict[str, Tensor]]:
    """Return which weights fit a model, in name and shape, and a report.

    Args:
        model: The model.
        weights: A state dict.
        strict: Refuse when a key of the model is missing or has another shape. Keys that
            the model does not have are reported, never an error.

    Raises:
        CheckpointError: Something is missing (`strict`), or nothing fits at all.
    """
    own = model.state_dict()
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


def check_fit(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights whose keys are not exactly the model's.

    Raises:
        CheckpointError: Keys are missing or unexpected; the first few are named.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    if missing or unexpected:
        raise CheckpointError(
            f'{source} is of another model: {len(missing)} keys are missing '
            f'{missing[:3]}, {len(unexpected)} unexpected {unexpected[:3]}'
        )
