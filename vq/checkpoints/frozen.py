"""Frozen parts: weights that a checkpoint does not hold, but names by file and hash."""

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from vq import paths
from vq.checkpoints.files import CheckpointError, sha256
from vq.checkpoints.folders import META

T = TypeVar('T')
RECORD = '.json'  # what the name of an export's record adds to that of the weights


@dataclass(frozen=True)
class WeightFile:
    """A file that weights come from, as JSON can name it.

    Attributes:
        path: Relative to the repository, if it lies inside.
        sha256: Of its bytes.
    """

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> 'WeightFile':
        """Describe an existing file; links such as `latest` are followed."""
        real, root = path.resolve(), paths.ROOT.resolve()
        name = real.relative_to(root) if real.is_relative_to(root) else real
        return cls(path=str(name), sha256=digest(real))

    def find(self, part: str, namer: Path) -> Path:
        """Return where the file is.

        Args:
            part: The frozen part whose weights it holds, for errors.
            namer: The checkpoint that names it, for errors.

        Raises:
            CheckpointError: It is not there, or has changed.
        """
        path = paths.resolve(self.path)
        problem = None
        if not path.is_file():
            problem = 'is not there'
        elif (found := digest(path)) != self.sha256:
            problem = f'has the SHA-256 {found}'
        if problem is None:
            return path
        raise CheckpointError(
            f'{namer} belongs to the frozen {part} in {path}, SHA-256 {self.sha256}, '
            f'which {problem}; pass --load-model-from FILE with where that file is now'
        )


@dataclass(frozen=True)
class FrozenPart:
    """What is known of a frozen part's weights.

    Attributes:
        state: The `state_hash` of the part's own state dict.
        files: Where they come from, later ones winning; none means that the checkpoint
            itself holds them, for want of another place.
    """

    state: str
    files: tuple[WeightFile, ...] = ()

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> 'FrozenPart':
        """Read what `to_json` returned."""
        files = tuple(WeightFile(**file) for file in record['files'])
        return cls(state=record['state'], files=files)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dict(files=[vars(file) for file in self.files], state=self.state)


def frozen_parts(model: nn.Module) -> list[str]:
    """Return the names of a model's frozen parts.

    A module that has some lists their names, relative to itself, as `frozen_parts`.
    """
    return [
        f'{path}.{name}' if path else name
        for path, module in model.named_modules()
        for name in getattr(module, 'frozen_parts', ())
    ]


def within(key: str, parts: Iterable[str]) -> bool:
    """Tell whether a state dict's key belongs to one of the parts."""
    return any(key.startswith(f'{part}.') for part in parts)


def only(state: Mapping[str, T], parts: Collection[str]) -> dict[str, T]:
    """Return what a state dict says of some parts."""
    return {key: value for key, value in state.items() if within(key, parts)}


def without(state: Mapping[str, T], parts: Collection[str]) -> dict[str, T]:
    """Return what a state dict says of everything but some parts."""
    return {key: value for key, value in state.items() if not within(key, parts)}


def named_by(path: Path) -> dict[str, FrozenPart]:
    """Return what a checkpoint says of its frozen parts.

    Args:
        path: Its folder, or one of its files of weights. A file of weights elsewhere
            may have a record of its own, FILE.json, that says it; others say nothing.
    """
    meta = path / META if path.is_dir() else path.with_name(META)
    record = _json(meta)
    if path.is_file() and path.name not in record.get('files', ()):
        record = _json(path.with_name(path.name + RECORD))
    frozen = record.get('frozen', {})
    try:
        return {name: FrozenPart.from_json(part) for name, part in frozen.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f'what is said of frozen parts beside {path} cannot be read: {error!r}'
        ) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, computed once for as long as it stays the same."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _digest(path: Path, size: int, mtime: int) -> str:
    return sha256(path)
