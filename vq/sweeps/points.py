"""The points of a sweep, what was measured of each, and the record of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting of the sampler, and a folder of what it sampled.

    Attributes:
        settings: The sampler's, by name: plain values.
        folder: Of pictures, in a folder a class or all in one; FOLDER.json, where there
            is one, says what made them.
        number: How many there are.
    """

    settings: Mapping[str, Any]
    folder: Path
    number: int

    def beside(self, suffix: str) -> Path:
        """Return the path of a file beside the folder that begins with its name."""
        return self.folder.with_name(self.folder.name + suffix)


@dataclass(frozen=True, slots=True)
class Result:
    """A point and its numbers.

    Attributes:
        point: The point.
        values: By metric: `fid`, `inception_score/mean`.
    """

    point: Point
    values: dict[str, float]


def varied(points: Sequence[Point]) -> list[str]:
    """Return the names of the settings in which points differ; of one, all it has."""
    names = list(dict.fromkeys(name for point in points for name in point.settings))
    if len(points) == 1:
        return [name for name in names if points[0].settings[name] is not None]
    return [name for name in names if len({written(p, name) for p in points}) > 1]


def written(point: Point, name: str) -> str:
    """Return a setting as people read it; '-' where the point has none."""
    value = point.settings.get(name)
    return '-' if value is None else f'{value:g}' if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def label(point: Point, names: Sequence[str]) -> str:
    """Return some of a point's settings in a few words: 'cfg=2, top_k=600'."""
    return ', '.join(f'{name}={written(point, name)}' for name in names)


def read_json(path: Path) -> Any:
    """Return what a file of JSON says; None where it is missing or torn."""
    try:
        return json.loads(path.read_text('utf-8'))
    except (OSError, ValueError):
        return None
