"""The table: which rows, which columns, in which order, and what is marked."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from vq.comparison.differences import differences
from vq.comparison.meaning import notes
from vq.comparison.records import Measurement, Run
from vq.config.errors import nearest

# Words in the names of metrics.
HIGHER = {
    *('psnr', 'ssim', 'is', 'precision', 'recall', 'density', 'coverage', 'accuracy'),
    *('codebook', 'usage', 'score', 'top1', 'top5'),
}
LOWER = {
    *('fid', 'rfid', 'gfid', 'sfid', 'kid', 'lpips', 'l1', 'mse'),
    *('loss', 'perplexity', 'entropy'),  # of predictions; a codebook's is found above
}
SPREAD = {'std', 'error', 'stderr'}  # not a metric but how far to trust one


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement in the table.

    Attributes:
        measurement: Its numbers.
        notes: By metric, what sets a number apart from others of its column.
    """

    measurement: Measurement
    notes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """What is to be shown.

    Attributes:
        rows: From top to bottom.
        metrics: Columns, from left to right.
        costs: Further columns: what is known of the cost.
        best: The best number of a column whose numbers may all be compared.
        runs: Names of the runs.
        differences: Where their configs differ, with a value for each run.
    """

    rows: list[Row]
    metrics: list[str]
    costs: list[str]
    best: dict[str, float]
    runs: list[str]
    differences: dict[str, list[str | None]]

    @property
    def notes(self) -> dict[str, list[str]]:
        """The columns in which each note is found."""
        found: dict[str, list[str]] = {}
        for metric in self.metrics:
            for note in dict.fromkeys(row.notes.get(metric) for row in self.rows):
                if note:
                    found.setdefault(note, []).append(metric)
        return found


def direction(metric: str) -> Literal[-1, 0, 1]:
    """Return 1 where higher is better, -1 where lower is, 0 where that is not known."""
    words = set(re.split(r'[\W_]', metric))
    if words & SPREAD:
        return 0
    return 1 if words & HIGHER else -1 if words & LOWER else 0


def tabulate(
    runs: Sequence[Run],
    *,
    checkpoints: str = 'last',
    metrics: Sequence[str] = (),
    sort: str | None = None,
) -> Table:
    """Return the table of runs.

    Args:
        runs: What to compare.
        checkpoints: Which of each run: 'last', 'all', or 'best:METRIC'.
        metrics: Names of columns, `codebook` for all of `codebook/...`; all by default.
        sort: A metric: the best row comes first, the lowest where nothing says what
            is best.

    Raises:
        ValueError: A name is unknown.
    """
    choose = _chooser(checkpoints)
    chosen = [m for run in runs for m in choose(run)]
    known = list(dict.fromkeys(key for m in chosen for key in m.values))
    columns = _columns(metrics, known) if metrics else known
    if sort is not None:
        chosen.sort(key=_order(_one(sort, known)))
    marks: list[dict[str, str]] = [{} for _ in chosen]
    for metric in columns:
        there = [i for i, m in enumerate(chosen) if metric in m.values]
        found = notes([chosen[i].meanings[metric] for i in there])
        for i, note in zip(there, found, strict=True):
            marks[i][metric] = note
    rows = [Row(m, mark) for m, mark in zip(chosen, marks, strict=True)]
    return Table(
        rows=rows,
        metrics=columns,
        costs=list(dict.fromkeys(key for m in chosen for key in m.cost)),
        best={
            metric: best
            for metric in columns
            if (best := _best(rows, metric)) is not None
        },
        runs=[run.name for run in runs],
        differences=differences([run.config for run in runs]),
    )


def _chooser(which: str) -> Callable[[Run], list[Measurement]]:
    kind, _, metric = which.partition(':')
    if which == 'last':
        return lambda run: run.measurements[-1:]
    if which == 'all':
        return lambda run: run.measurements
    if kind != 'best' or not metric:
        raise ValueError(f'checkpoints must be last, all or best:METRIC, got {which!r}')
    if not direction(metric):
        raise ValueError(
            f'whether a high or a low {metric} is best is not known; name another '
            'metric, or show all checkpoints with --sort'
        )

    def best(run: Run) -> list[Measurement]:
        known = dict.fromkeys(key for m in run.measurements for key in m.values)
        one = _one(metric, list(known), of=f' of {run.name}')
        return [min(run.measurements, key=_order(one))]

    return best


def _order(metric: str) -> Callable[[Measurement], float]:
    """Return a key that is least for the best; without a number is last."""
    sign = direction(metric) or -1

    def key(measurement: Measurement) -> float:
        value = measurement.values.get(metric, math.nan)
        return math.inf if math.isnan(value) else -sign * value

    return key


def _one(metric: str, known: Sequence[str], of: str = '') -> str:
    if metric not in known:
        raise ValueError(f'there is no metric {metric!r}{of}; {nearest(metric, known)}')
    return metric


def _columns(metrics: Sequence[str], known: Sequence[str]) -> list[str]:
    found = []
    for metric in metrics:
        parts = [key for key in known if key.startswith(f'{metric}/')]
        found += parts or [_one(metric, known)]
    return found


def _best(rows: Sequence[Row], metric: str) -> float | None:
    values = [row.measurement.values.get(metric, math.nan) for row in rows]
    values = [value for value in values if not math.isnan(value)]
    apart = any(row.notes.get(metric) for row in rows)
    if apart or len(values) < 2 or not direction(metric):
        return None
    return max(values) if direction(metric) > 0 else min(values)
