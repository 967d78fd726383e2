"""The report of a sweep: a table, with the best of each column, and a picture."""

import csv
import io
import logging
import math
from collections.abc import Sequence
from pathlib import Path

from vq import distributed
from vq.comparison.rendering import MISSING, aligned, piped
from vq.comparison.table import direction
from vq.config import Config
from vq.sweeps.measuring import Measurer
from vq.sweeps.pareto import draw
from vq.sweeps.points import Point, Result, varied, written

_logger = logging.getLogger(__name__)
NAME = 'sweep'
PICTURE = 'pareto.png'


def report(
    points: Sequence[Point], *, config: Config, out: Path, allow_mismatch: bool = False
) -> list[Result]:
    """Measure points, and write sweep.csv, sweep.md and pareto.png; all ranks call it.

    FID, Inception Score, precision and recall are measured against the statistics of
    the data set that the config validates on. A point that was measured before, with
    the same settings and as many samples, is not measured again.

    Args:
        points: Settings and samples.
        config: Of the proposal network.
        out: The folder to write to.
        allow_mismatch: Compare with statistics that were made in another way.

    Returns:
        The numbers of each point, in the order given.

    Raises:
        ValueError: There is no point.
        FolderError: A folder does not hold as many pictures as its point says.
        MismatchError: The statistics were made in another way.
    """
    if not points:
        raise ValueError('a sweep needs at least one point')
    measurer = Measurer(config, work_dir=out, allow_mismatch=allow_mismatch)
    results = measurer.measure(points)
    if not distributed.is_main():
        return results
    names = varied(points)
    out.mkdir(parents=True, exist_ok=True)
    (out / f'{NAME}.csv').write_text(to_csv(results))
    (out / f'{NAME}.md').write_text(piped(*cells(results, names, bold='**')) + '\n')
    drawn = draw(results, names, out / PICTURE)
    _logger.info('the sweep:\n%s', aligned(*cells(results, names, bold='*')))
    files = [f'{NAME}.csv', f'{NAME}.md', *([PICTURE] if drawn else [])]
    _logger.info('%s are in %s', ', '.join(files), out)
    return results


def metrics_of(results: Sequence[Result]) -> list[str]:
    """Return the names of all numbers, in the order of their first appearance."""
    return list(dict.fromkeys(name for result in results for name in result.values))


def cells(
    results: Sequence[Result], names: Sequence[str], *, bold: str
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table.

    Args:
        results: A row each.
        names: The settings that are shown.
        bold: Stands on both sides of the best number of a column.
    """
    metrics = metrics_of(results)
    best = {metric: _best(results, metric) for metric in metrics}

    def cell(result: Result, metric: str) -> str:
        value = result.values.get(metric)
        if value is None:
            return MISSING
        around = bold if value == best[metric] else ''
        return f'{around}{value:.5g}{around}'

    rows = [
        [
            *(written(result.point, name) for name in names),
            str(result.point.number),
            *(cell(result, metric) for metric in metrics),
        ]
        for result in results
    ]
    return [*names, 'number', *metrics], rows


def _best(results: Sequence[Result], metric: str) -> float | None:
    """Return the best number of a column; None where there is nothing to choose."""
    values = [result.values.get(metric, math.nan) for result in results]
    values = [value for value in values if not math.isnan(value)]
    if len(values) < 2 or not direction(metric):
        return None
    return max(values) if direction(metric) > 0 else min(values)


def to_csv(results: Sequence[Result]) -> str:
    """Return a row a point: all settings, all digits; what is missing is empty."""
    settings = list(dict.fromkeys(n for r in results for n in r.point.settings))
    metrics = metrics_of(results)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow([*settings, 'number', 'folder', *metrics])
    for result in results:
        point = result.point
        writer.writerow(
            [
                *(point.settings.get(name) for name in settings),
                *(point.number, point.folder),
                *(result.values.get(metric) for metric in metrics),
            ]
        )
    return out.getvalue()
