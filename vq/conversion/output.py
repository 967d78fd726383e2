"""What a conversion writes: weights, and a record of where they come from."""

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

import vq
from vq.checkpoints import write_json
from vq.checkpoints.files import (
    WRITE_ERRORS,
    CheckpointError,
    sha256,
    write_safetensors,
)
from vq.config.files import display
from vq.conversion import configs
from vq.conversion.family import Family
from vq.conversion.reading import Source, read
from vq.conversion.rules import ConversionError, Renamed, listed

PACKAGES = ('torch', 'safetensors', 'numpy')
RECORD = '.json'  # what the record's name adds to that of the weights
CONFIG = '.py'


@dataclass(frozen=True)
class Converted:
    """A conversion that is written.

    Attributes:
        source: What was read.
        renamed: What became of its keys.
        file: The weights.
        config: The config that fits, shipped or written; None for no whole model.
        written: Whether the config was written.
    """

    source: Source
    renamed: Renamed
    file: Path
    config: Path | None
    written: bool


def convert(
    path: Path,
    family: Family,
    *,
    out: Path,
    options: Mapping[str, Any] | None = None,
    container: str = '',
) -> Converted:
    """Convert a published file to weights of ours, with a record beside them.

    Args:
        path: The published file or folder.
        family: What it is a checkpoint of.
        out: The file of weights to write, safetensors whatever its name.
        options: Options of the family.
        container: Key under which the weights lie, if not the usual ones.

    Raises:
        ConversionError: The file is not what it should be, or `out` holds others.
    """
    source = read(path, family, container=container)
    chosen = family.checked(family.told(source.settings) | dict(options or {}))
    renamed = family.to_ours(source.weights, **chosen)
    model = family.model_config(source.weights, settings=source.settings, **chosen)
    digest = write_weights(out, renamed.weights)
    config = None if model is None else configs.choose(model)
    written = model is not None and config is None
    if model is not None and config is None:
        config = out.with_name(out.name + CONFIG)
        like = None
        if not family.parts and not model.get('discriminator'):
            like = configs.choose(model, discriminator=False)
        title = f'The network of {path.name} ({family.name}), as its weights tell it.'
        write_text(config, configs.text(model, title, like))
    result = Converted(source, renamed, out, config, written)
    record = _record(result, path, family, chosen) | {'output_sha256': digest}
    write_json(out.with_name(out.name + RECORD), record)
    return result


def told(done: Converted) -> str:
    """Return what a conversion did, a line each."""
    source, renamed = done.source, done.renamed
    under = f' under {source.container!r}' if source.container else ''
    rows = [f'{display(source.file)}: {len(source.weights)} tensors{under}']
    if source.wrapper:
        rows.append(f'taken off all names: {source.wrapper}')
    if source.others:
        rows.append(f'not used: {listed(source.others)}')
    if source.foreign:
        rows.append(f'named there and not followed: {listed(source.foreign)}')
    rows.append(f'mapped {len(renamed.mapped)}, dropped {len(renamed.dropped)}')
    reasons = Counter(renamed.dropped.values())
    rows += [f'  {number}: {reason}' for reason, number in reasons.items()]
    rows.append(
        f'written: {display(done.file)} and its record {done.file.name}{RECORD}'
    )
    if done.config:
        how = 'written' if done.written else 'chosen'
        rows.append(f'config {how}: {display(done.config)}')
    return '\n'.join(rows)


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> str:
    """Write weights as safetensors, whatever the file's name, and return the SHA-256.

    Raises:
        ConversionError: There is another file of that name; the same one may lie there.
        CheckpointError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        write_safetensors(aside, _separate(weights))
        digest = sha256(aside)
        if path.exists() and sha256(path) != digest:
            raise ConversionError(
                f'{path} is there already and holds something else: move it away, or '
                'choose another name (--suffix, --out)'
            )
        aside.replace(path)
    except WRITE_ERRORS as error:
        raise CheckpointError(f'{path} cannot be written: {error}') from error
    finally:
        aside.unlink(missing_ok=True)
    return digest


def write_text(path: Path, content: str) -> None:
    """Write a text file, unless another one lies there.

    Raises:
        ConversionError: There is a file of that name with another text.
    """
    if path.exists() and path.read_text(encoding='utf-8') != content:
        raise ConversionError(
            f'{path} is there already and says something else: move it away'
        )
    path.write_text(content, encoding='utf-8')


def versions() -> dict[str, str]:
    """Return the versions of what takes part in a conversion."""
    found = {name: version(name) for name in PACKAGES}
    return {'python': platform.python_version(), 'vq': vq.__version__, **found}


def now() -> str:
    """Return the date and time in UTC."""
    return datetime.now(UTC).isoformat(timespec='seconds')


def _separate(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors, each with a memory of its own."""
    separate: dict[str, Tensor] = {}
    memories = set()
    for key, weight in weights.items():
        plain = weight.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        # safetensors refuses tensors that share memory.
        separate[key] = plain.clone() if memory in memories else plain
        memories.add(memory)
    return separate


def _record(
    result: Converted, path: Path, family: Family, options: Mapping[str, Any]
) -> dict[str, Any]:
    source, renamed = result.source, result.renamed
    return dict(
        source=display(path),
        source_file=source.file.name,
        source_size=source.file.stat().st_size,
        source_sha256=sha256(source.file),
        family=family.name,
        options=dict(options),
        container=source.container,
        wrapper=source.wrapper,
        not_used=list(source.others),
        placeholders=list(source.foreign),
        mapped=len(renamed.mapped),
        dropped=dict(renamed.dropped),
        config=display(result.config) if result.config else None,
        config_written=result.written,
        versions=versions(),
        date=now(),
        output=result.file.name,
    )
