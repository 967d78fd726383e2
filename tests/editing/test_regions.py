"""Orders of positions, and tokens of two pictures merged."""

import numpy as np
import pytest
import torch

from vq.editing.regions import ORDERS, first, merge, turns


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_orders() -> None:
    assert torch.equal(turns((3, 4), 'rows', rng()), torch.arange(12).reshape(3, 4))
    centre = turns((5, 5), 'centre', rng())
    assert centre[2, 2] == 0
    distance = torch.tensor([[(y - 2) ** 2 + (x - 2) ** 2 for x in range(5)]
                             for y in range(5)])  # fmt: skip
    assert (distance.flatten()[centre.flatten().argsort()].diff() >= 0).all()
    random = turns((3, 4), 'random', rng())
    assert sorted(random.flatten().tolist()) == list(range(12))
    assert torch.equal(random, turns((3, 4), 'random', rng()))
    with pytest.raises(ValueError, match="one of random, rows, centre, got 'x'"):
        turns((3, 4), 'x', rng())


@pytest.mark.parametrize('order', ORDERS)
def test_shares_grow(order: str) -> None:
    places = turns((4, 6), order, rng())
    masks = [first(places, share) for share in (0, 0.25, 0.5, 1)]
    assert [int(mask.sum()) for mask in masks] == [0, 6, 12, 24]
    for small, large in zip(masks, masks[1:], strict=False):
        assert (large >= small).all()
    with pytest.raises(ValueError, match=r'in \[0, 1\], got 1.5'):
        first(places, 1.5)


@pytest.mark.parametrize('shape', [(3, 4), (3, 4, 2)])
def test_merging_equals_a_loop(shape: tuple[int, ...]) -> None:
    old, new = torch.zeros(shape, dtype=torch.int64), torch.arange(24)[: np.prod(shape)]
    new = new.reshape(shape) + 1
    mask = first(turns((3, 4), 'random', rng()), 0.5)
    merged = merge(mask, new, old)
    for y in range(3):
        for x in range(4):
            source = new if mask[y, x] else old
            assert torch.equal(merged[y, x], source[y, x])
    one = new[0, 0]
    assert torch.equal(merge(mask, one, old)[mask][0], one)
    with pytest.raises(ValueError, match=r'\(3, 4\) and \(2, 4\) tokens'):
        merge(mask, new[:2], old)
