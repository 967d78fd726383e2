"""What no other point beats is what a search through all pairs finds."""

from itertools import product
from pathlib import Path

import pytest
import torch

from vq.sweeps.pareto import draw, pareto
from vq.sweeps.points import Point, Result, label, varied


def beaten(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Tell whether `other` has a higher second and no higher first, or the like."""
    no_worse = other[0] <= one[0] and other[1] >= one[1]
    return no_worse and (other[0] < one[0] or other[1] > one[1])


@pytest.mark.parametrize('seed', range(5))
def test_it_is_what_no_other_beats(seed: int) -> None:
    drawn = torch.randint(6, (14, 2), generator=torch.Generator().manual_seed(seed))
    pairs = [(float(x), float(y)) for x, y in drawn.tolist()]
    kept = {
        i
        for i in range(len(pairs))
        if not any(beaten(pairs[i], other) for other in pairs)
    }
    found = pareto(pairs, (-1, 1))
    assert set(found) == kept and 0 < len(kept) < len(pairs)
    assert [pairs[i] for i in found] == sorted(pairs[i] for i in kept)
    turned = pareto([(y, -x) for x, y in pairs], (1, 1))
    assert set(turned) == kept


def result(values: dict[str, float], **settings: float | None) -> Result:
    return Result(Point(settings=settings, folder=Path('x'), number=1), values)


def test_points_without_both_numbers_are_not_drawn(tmp_path: Path) -> None:
    nan = float('nan')
    whole = {'fid': 3.0, 'inception_score/mean': 2.0}
    path = tmp_path / 'x.png'
    assert not draw([result({'fid': 1.0}, cfg=1.0)], ['cfg'], path)
    assert not draw([result(whole | dict(fid=nan), cfg=1.0)], ['cfg'], path)
    assert not path.exists()
    assert draw([result(whole, cfg=1.0), result({}, cfg=2.0)], ['cfg'], path)
    assert path.exists()


def test_labels_say_what_differs() -> None:
    grid = [
        result({}, cfg=c, temperature=t, top_k=None).point
        for c, t in product((1.0, 2.5), (1.0, 0.9))
    ]
    names = varied(grid)
    assert names == ['cfg', 'temperature']
    assert label(grid[3], names) == 'cfg=2.5, temperature=0.9'
    assert varied(grid[:1]) == ['cfg', 'temperature']
    assert label(result({}, top_k=None).point, ['top_k']) == 'top_k=-'
