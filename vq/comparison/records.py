"""What a run's folder says: measurements, each with its protocols, and the config."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vq import checkpoints, paths
from vq.comparison.cost import cost
from vq.comparison.meaning import Meaning, meaning
from vq.config import load
from vq.config.errors import nearest
from vq.logs import read_json_lines

RECORDS = 'metrics.jsonl'
# A training run is measured into a folder of its own; a test and FID into theirs.
PLACES = (f'val/{RECORDS}', RECORDS)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A checkpoint, or pictures, and what was measured on it.

    Attributes:
        run: Name of the run.
        checkpoint: Name of the checkpoint, of other weights, or of the pictures.
        values: By metric.
        meanings: What each number means; None for one that nobody wrote down.
        cost: What is known of what it cost, by name.
    """

    run: str
    checkpoint: str
    values: dict[str, float]
    meanings: dict[str, Meaning | None]
    cost: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """A folder of measurements.

    Attributes:
        name: Its path below work_dirs.
        measurements: By iteration, or in the order of their records; the last one is
            the newest.
        config: The runners' configs; None where none was dumped.
    """

    name: str
    measurements: list[Measurement]
    config: dict[str, Any] | None


def read(name: str) -> Run:
    """Read a run.

    Args:
        name: Its folder, or its name below work_dirs: NAME, NAME_test.

    Raises:
        FileNotFoundError: There is no such folder; near names are given.
        ValueError: It holds no measurements; says what makes them.
    """
    folder = _find(name)
    records = [r for place in PLACES for r in read_json_lines(folder / place)]
    if not records:
        raise ValueError(
            f'{folder} holds no {" nor ".join(PLACES)}: measure its checkpoints with '
            '`auto_torchrun -m vq.val NAME CONFIG`, or one with vq.test, and compare '
            'NAME_test'
        )
    records.sort(key=lambda record: record.get('iteration', 0))
    title = _title(folder)
    merged: dict[str, Measurement] = {}
    for record in records:
        new = _measurement(title, folder, record)
        old = merged.get(new.checkpoint, new)
        merged[new.checkpoint] = Measurement(
            run=title,
            checkpoint=new.checkpoint,
            values=old.values | new.values,  # what was measured again counts
            meanings=old.meanings | new.meanings,
            cost=new.cost,
        )
    return Run(title, list(merged.values()), _config(folder))


def _find(name: str) -> Path:
    # What vq.test was called with comes last: its results lie in NAME_test.
    tested = f'{name.rstrip("/")}_test'
    places = [paths.work_dir(name), paths.resolve(name), Path.cwd() / name]
    for folder in (*places, paths.work_dir(tested)):
        if folder.is_dir():
            return folder
    root = paths.work_dir('')
    below = [Path(place) for place, _, files in os.walk(root) if RECORDS in files]
    runs = {p.parent if p.name == 'val' else p for p in below}
    known = sorted(str(run.relative_to(root)) for run in runs)
    raise FileNotFoundError(f'there is no run {name!r}; {nearest(name, known)}')


def _title(folder: Path) -> str:
    root = paths.work_dir('').resolve()
    folder = folder.resolve()
    inside = folder.is_relative_to(root)
    return str(folder.relative_to(root) if inside else folder)


def _config(folder: Path) -> dict[str, Any] | None:
    """Return the config that was dumped last."""
    dumped = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    return load(dumped[-1]).tree if dumped else None


def _measurement(title: str, folder: Path, record: dict[str, Any]) -> Measurement:
    values = {
        key: float(value)
        for key, value in record.items()
        if isinstance(value, int | float) and key != 'iteration'
    }
    protocols = record.get('protocols')
    label, saved = _measured(folder, record)
    return Measurement(
        run=title,
        checkpoint=label,
        values=values,
        meanings={metric: meaning(metric, protocols) for metric in values},
        cost={} if saved is None else cost(saved),
    )


def _measured(folder: Path, record: dict[str, Any]) -> tuple[str, Path | None]:
    """Return the name of what was measured, and its checkpoint, if it is one."""
    if 'checkpoint' in record:
        saved = folder / 'checkpoints' / record['checkpoint']
        return saved.name, saved
    if 'weights' not in record:
        return str(record.get('source', '')), None
    # `latest` is a link: its name says nothing.
    files = [Path(file).resolve() for file in record['weights']]
    folders = [f if checkpoints.iteration(f) >= 0 else f.parent for f in files]
    saved = [f if checkpoints.iteration(f) >= 0 else None for f in folders]
    names = [(s or f).name for s, f in zip(saved, files, strict=True)]
    return ' + '.join(names) or 'random', next(filter(None, saved), None)
