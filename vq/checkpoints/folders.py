"""Checkpoint folders: complete or absent, checked before they are believed.

A checkpoint `iter_N/` holds plain tensors and JSON only, so that every file opens with
`weights_only=True`. `meta.json` lists each file with its size and SHA-256.
"""

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vq.checkpoints.files import (
    WRITE_ERRORS,
    CheckpointError,
    read_file,
    sha256,
    sync,
    write_json,
    write_weights,
)

_logger = logging.getLogger(__name__)
META = 'meta.json'


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
        CheckpointError: It cannot be written (a full disk, say); nothing is left.
    """
    aside = folder.with_name(f'.{folder.name}.writing')
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        for stem, state in weights.items():
            write_weights(aside / stem, state)
        for stem, value in states.items():
            torch.save(value, aside / f'{stem}.pth')
        files = {}
        for path in sorted(aside.iterdir()):
            sync(path)
            files[path.name] = dict(size=path.stat().st_size, sha256=sha256(path))
        write_json(aside / META, dict(meta, files=files))
        sync(aside)
        _replace(aside, folder)
    except WRITE_ERRORS as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(f'{folder} was not written: {error}') from error


def _replace(aside: Path, folder: Path) -> None:
    """Put `aside` in the place of `folder`, or leave everything as it was."""
    old = folder.with_name(f'.{folder.name}.old')
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        aside.rename(folder)
        sync(folder.parent)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a checkpoint so that nobody meets half of it; a failure is logged."""
    aside = folder.with_name(f'.{folder.name}.removing')
    try:
        folder.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        _logger.warning('%s could not be removed: %s', folder, error)


def link_latest(folder: Path) -> None:
    """Let `latest` beside `folder` point to it, by a relative link.

    Raises:
        CheckpointError: The link cannot be made.
    """
    aside = folder.with_name('.latest')
    try:
        aside.unlink(missing_ok=True)
        aside.symlink_to(folder.name)
        aside.replace(folder.with_name('latest'))
    except OSError as error:
        raise CheckpointError(
            f'{folder} was written, but not linked as latest: {error}'
        ) from error


def clean(root: Path) -> None:
    """Remove what killed writers left below `root`; put back what they had moved."""
    for old in root.glob('.iter_*.old'):
        folder = old.with_name(old.name[1:].removesuffix('.old'))
        if not folder.exists():
            old.rename(folder)
    for pattern in ('.iter_*.writing', '.iter_*.old', '.iter_*.removing'):
        for path in root.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def damage(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint folder, or None."""
    try:
        files = json.loads((folder / META).read_text())['files']
        records = {name: (r['size'], r['sha256']) for name, r in files.items()}
    except FileNotFoundError:
        return f'{folder / META} is missing'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f'{folder / META} cannot be read: {error!r}'
    for name, (size, digest) in records.items():
        path = folder / name
        if not path.is_file():
            return f'{path} is missing'
        if path.stat().st_size != size:
            return f'{path} has {path.stat().st_size} bytes, not {size}'
        if sha256(path) != digest:
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
                + (
                    f'the newest good one is {good}'
                    if good
                    else 'none beside it is good; of weights in another folder, '
                    'such as an export, name the file'
                )
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
