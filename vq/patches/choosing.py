"""Which patches show a code: a random few, of as many different images as there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from vq.patches.counting import Integers, Tokens, run_starts

MERGE = 2**20  # candidates that wait, at least
ALL = 2**32 - 1  # above every lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The patches of some codes, code by code.

    Attributes:
        codes: Codes that are shown, ascending, (k,).
        starts: Code i is shown by rows starts[i] to starts[i + 1], (k + 1,).
        images: Of each row, the image's position in the data set, int64, (n,).
        places: Of each row, the token's place on the grid, row by row, int64, (n,).
    """

    codes: Tokens
    starts: Integers
    images: Integers
    places: Integers

    def rows(self, number: int) -> slice:
        """Return the rows of code `number` of those that are shown."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))


@dataclass(slots=True)
class _Tickets:
    """Positions that may be taken, and what decides about it: arrays of one length."""

    slots: NDArray[np.int32]  # number of the code among the wanted ones
    turns: NDArray[np.int32]  # how many better lots the code has in the same image
    lots: NDArray[np.uint32]  # random; the lowest win
    images: NDArray[np.int64]
    places: NDArray[np.int32]

    @classmethod
    def join(cls, parts: list[_Tickets]) -> _Tickets:
        names = ('slots', 'turns', 'lots', 'images', 'places')
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))

    def take(self, rows: NDArray[np.intp]) -> _Tickets:
        return _Tickets(
            self.slots[rows], self.turns[rows], self.lots[rows], self.images[rows],
            self.places[rows],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.slots)


def _in_run(*keys: NDArray[np.generic]) -> Integers:
    """Return the place of each row in its run of rows whose keys are all equal."""
    starts = run_starts(*keys)
    lengths = np.diff(starts, append=len(keys[0]))
    return np.arange(len(keys[0])) - np.repeat(starts, lengths)


class Chooser:
    """Draws up to so many positions of each wanted code, in one walk over the shards.

    Every position gets a lot that depends on seed and block alone. A code's first
    choice are the best lots of different images; a second patch of an image is taken
    only when there are no more images. So what is drawn for a code does not depend on
    the other codes. Memory is bounded by the number of patches, whatever the length of
    the store.

    Args:
        codes: Wanted ones, ascending, (k,).
        patches: Most positions of a code.
        seed: Seed of the lots.
    """

    def __init__(self, codes: Tokens, *, patches: int, seed: int) -> None:
        self._codes = codes
        self._patches = patches
        self._seed = seed
        # No lot from here on can win: that of the worst that a full code has.
        self._bars = np.full(len(codes), ALL, np.uint32)
        self._best = _Tickets(
            np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.uint32),
            np.empty(0, np.int64), np.empty(0, np.int32),
        )  # fmt: skip
        self._waiting: list[_Tickets] = []

    def add(self, block: int, tokens: Tokens, indices: Integers) -> None:
        """Look at a shard; shards come in their order.

        Args:
            block: Its number.
            tokens: (n, h, w).
            indices: Positions of its images in the data set, (n,).
        """
        flat = rearrange(np.asarray(tokens), 'n h w -> (n h w)')
        if not len(flat) or not len(self._codes):
            return
        rng = np.random.default_rng((self._seed, block))
        lots = rng.integers(ALL, size=len(flat), dtype=np.uint32)
        slots = np.searchsorted(self._codes, flat).clip(max=len(self._codes) - 1)
        wins = (self._codes[slots] == flat) & (lots < self._bars[slots])
        rows = np.flatnonzero(wins)
        per_image = tokens.shape[1] * tokens.shape[2]
        tickets = _Tickets(
            slots[rows].astype(np.int32), np.zeros(len(rows), np.int32), lots[rows],
            indices[rows // per_image], (rows % per_image).astype(np.int32),
        )  # fmt: skip
        # A lot below the bar has all better ones of its image beside it: turns of the
        # rows that are left are those of all rows.
        tickets = tickets.take(
            np.lexsort((tickets.lots, tickets.images, tickets.slots))
        )
        tickets.turns = _in_run(tickets.slots, tickets.images).astype(np.int32)
        self._waiting.append(tickets)
        if sum(map(len, self._waiting)) > max(MERGE, len(self._best)):
            self._merge()

    def _merge(self) -> None:
        both = _Tickets.join([self._best, *self._waiting])
        # Where lots are equal, the earlier image wins: sorting is stable.
        both = both.take(np.lexsort((both.lots, both.turns, both.slots)))
        best = both.take(np.flatnonzero(_in_run(both.slots) < self._patches))
        last = np.flatnonzero(np.diff(best.slots, append=-1))
        full = np.bincount(best.slots, minlength=len(self._codes)) == self._patches
        sure = last[full[best.slots[last]] & (best.turns[last] == 0)]
        self._bars[best.slots[sure]] = best.lots[sure]
        self._best = best
        self._waiting.clear()

    def result(self) -> Plan:
        """Return what was drawn; a code's patches come in the order of their lots."""
        self._merge()
        counts = np.bincount(self._best.slots, minlength=len(self._codes))
        return Plan(
            codes=self._codes,
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            images=self._best.images.astype(np.int64),
            places=self._best.places.astype(np.int64),
        )
