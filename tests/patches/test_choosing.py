"""Positions are those that drawing by hand gives, for any codes, shards and memory."""

import numpy as np
import pytest

from vq.patches import choosing
from vq.patches.choosing import ALL, Chooser, Plan
from vq.patches.counting import Tokens

SHARDS = [
    np.random.default_rng(b).binomial(12, 0.3, (n, 4, 6)).astype(np.uint16)
    for b, n in enumerate((5, 5, 0, 5, 2))
]
INDICES = [np.arange(len(s)) + 10 * b for b, s in enumerate(SHARDS)]


def choose(codes: list[int], *, patches: int = 6, seed: int = 0) -> Plan:
    """Return what is drawn from the shards."""
    chooser = Chooser(np.array(codes, np.uint16), patches=patches, seed=seed)
    for block, (tokens, indices) in enumerate(zip(SHARDS, INDICES, strict=True)):
        chooser.add(block, tokens, indices)
    return chooser.result()


def drawn(plan: Plan) -> dict[int, list[tuple[int, int]]]:
    """Return images and places by code."""
    pairs = list(zip(plan.images.tolist(), plan.places.tolist(), strict=True))
    return {int(c): pairs[plan.rows(i)] for i, c in enumerate(plan.codes)}


def by_hand(code: int, patches: int, seed: int) -> list[tuple[int, int]]:
    """Draw image after image, and take a second of one only when all have one."""
    tickets = []
    for block, (tokens, indices) in enumerate(zip(SHARDS, INDICES, strict=True)):
        rng = np.random.default_rng((seed, block))
        lots = rng.integers(ALL, size=tokens.size, dtype=np.uint32)
        lots = lots.reshape(len(tokens), 24)
        for image, index in enumerate(indices):
            mine = np.flatnonzero(tokens[image].ravel() == code)
            mine = mine[np.argsort(lots[image, mine])]
            tickets += [
                (turn, lots[image, place], int(index), int(place))
                for turn, place in enumerate(mine)
            ]
    return [ticket[2:] for ticket in sorted(tickets)[:patches]]


@pytest.mark.parametrize('merge', [1, 2**20])
@pytest.mark.parametrize('patches', [1, 6, 40])
@pytest.mark.parametrize('seed', [0, 5])
def test_positions_equal_drawing_by_hand(
    merge: int, patches: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, 'MERGE', merge)
    codes = sorted({int(code) for s in SHARDS for code in s.ravel()})
    found = drawn(choose(codes, patches=patches, seed=seed))
    assert found == {code: by_hand(code, patches, seed) for code in codes}
    tokens = dict(zip(np.concatenate(INDICES), np.concatenate(SHARDS), strict=True))
    for code, positions in found.items():
        assert len(set(positions)) == len(positions)
        assert {int(tokens[i].ravel()[p]) for i, p in positions} == {code}
        shown = {i for i, _ in positions}
        assert len(shown) == min(patches, sum(code in t for t in tokens.values()))


def test_other_codes_and_seeds_do_not_matter_or_do() -> None:
    assert drawn(choose([3])) == {3: drawn(choose([0, 2, 3, 4]))[3]}
    assert drawn(choose([3])) != drawn(choose([3], seed=1))
    assert drawn(choose([11, 60])) == {11: by_hand(11, 6, 0), 60: []}


def test_every_position_is_as_likely() -> None:
    tokens: Tokens = np.zeros((4, 1, 2), np.uint16)
    hits = np.zeros(8)
    for seed in range(400):
        chooser = Chooser(np.zeros(1, np.uint16), patches=1, seed=seed)
        chooser.add(0, tokens[:3], np.arange(3))
        chooser.add(1, tokens[3:], np.arange(3, 4))
        plan = chooser.result()
        hits[plan.images * 2 + plan.places] += 1
    assert hits.sum() == 400
    # Four standard deviations of a binomial are 26.
    assert abs(hits - 50).max() < 27
