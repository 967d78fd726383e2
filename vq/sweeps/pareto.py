"""Which points no other beats, and a picture of them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vq.comparison.table import direction
from vq.sweeps.points import Result, label

# A chart each: across and up.
CHARTS = (
    ('inception_score/mean', 'fid'),
    ('precision_recall/recall', 'precision_recall/precision'),
)


def pareto(pairs: Sequence[tuple[float, float]], signs: tuple[int, int]) -> list[int]:
    """Return the places of the pairs that no other beats, by their first number.

    A pair beats another if it is nowhere worse and somewhere better.

    Args:
        pairs: Two numbers each.
        signs: 1 where higher is better, -1 where lower is.
    """
    scores = [(signs[0] * x, signs[1] * y) for x, y in pairs]
    kept = [
        place
        for place, (x, y) in enumerate(scores)
        if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in scores)
    ]
    return sorted(kept, key=lambda place: pairs[place])


def draw(results: Sequence[Result], names: Sequence[str], path: Path) -> bool:
    """Draw FID against Inception Score, and precision against recall.

    Args:
        results: The points and their numbers.
        names: The settings that the points are labelled by.
        path: The picture.

    Returns:
        Whether there was anything to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    charts = [(pair, shown) for pair in CHARTS if (shown := _both(results, pair))]
    if not charts:
        return False
    figure = Figure(figsize=(6.5 * len(charts), 5.5), layout='constrained')
    FigureCanvasAgg(figure)  # no window, whatever the user's settings
    axes = figure.subplots(1, len(charts), squeeze=False)[0]
    for axis, (pair, shown) in zip(axes, charts, strict=True):
        _chart(axis, pair, shown, names)
    figure.savefig(path, dpi=100)
    return True


def _both(results: Sequence[Result], pair: tuple[str, str]) -> list[Result]:
    """Return the results that have both numbers."""
    return [
        result
        for result in results
        if all(math.isfinite(result.values.get(metric, math.nan)) for metric in pair)
    ]


def _chart(
    axis: Any, pair: tuple[str, str], shown: Sequence[Result], names: Sequence[str]
) -> None:
    across, up = pair
    places = [(result.values[across], result.values[up]) for result in shown]
    best = pareto(places, (direction(across), direction(up)))
    axis.plot(*zip(*(places[i] for i in best), strict=True), color='tab:blue', zorder=1)
    colours = ['tab:blue' if i in best else 'tab:gray' for i in range(len(places))]
    axis.scatter(*zip(*places, strict=True), c=colours, zorder=2)
    for place, result in zip(places, shown, strict=True):
        axis.annotate(
            label(result.point, names),
            place,
            xytext=(4, 4),
            textcoords='offset points',
            fontsize=8,
        )
    axis.set(xlabel=_titled(across), ylabel=_titled(up))
    axis.margins(0.15)
    axis.grid(alpha=0.3)


def _titled(metric: str) -> str:
    better = 'higher' if direction(metric) > 0 else 'lower'
    return f'{metric} ({better} is better)'
