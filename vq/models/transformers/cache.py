"""What a causal transformer remembers of the positions before, allocated once."""

import copy
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Seen(NamedTuple):
    """What the queries of one block may look at.

    Attributes:
        keys: (b, m, s, d).
        values: (b, m, s, d).
        mask: (n, s), true where query n may look at s; None: see `causal`.
        causal: Whether the n queries are the positions 0 to n - 1, without a mask.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor | None
    causal: bool


class Cache:
    """Keys and values of all blocks, (layers, b, m, length, d) each.

    The first call of a transformer with a cache may hold any number of positions, from
    0 on; later ones hold one position each. Nothing grows and nothing is copied.

    Args:
        layers: Number of blocks.
        batch: b.
        heads: m.
        length: Largest number of positions.
        head_dim: d.
        device: Where it lies.
        dtype: Of keys and values.
        static: Whether every call looks at all `length` positions through a mask, as
            compiled code of one shape needs it; else at those that are filled.
    """

    def __init__(
        self,
        *,
        layers: int,
        batch: int,
        heads: int,
        length: int,
        head_dim: int,
        device: torch.device,
        dtype: torch.dtype,
        static: bool = False,
    ) -> None:
        shape = (layers, batch, heads, length, head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.static = static
        self.start = 0
        self._all = torch.arange(length, device=device)
        self._one = torch.zeros(1, dtype=torch.long, device=device)
        self.positions = self._one

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.keys.shape[1]

    def advance(self, start: int, number: int) -> None:
        """Say that the next call holds `number` positions from `start` on."""
        self.start = start
        if number == 1:  # always the same tensor, as recorded graphs need it
            self.positions = self._one.fill_(start)
        else:
            self.positions = self._all[start : start + number]

    def see(self, layer: int, keys: Tensor, values: Tensor) -> Seen:
        """Take a block's new keys and values, (b, m, n, d), and return all."""
        number = keys.shape[2]
        own_keys, own_values = self.keys[layer], self.values[layer]
        if number > 1:
            own_keys[:, :, :number] = keys
            own_values[:, :, :number] = values
            return Seen(keys, values, None, True)
        if self.static:
            own_keys.index_copy_(2, self.positions, keys)
            own_values.index_copy_(2, self.positions, values)
            return Seen(
                own_keys, own_values, self._all <= self.positions[:, None], False
            )
        stop = self.start + 1
        own_keys[:, :, self.start : stop] = keys
        own_values[:, :, self.start : stop] = values
        return Seen(own_keys[:, :, :stop], own_values[:, :, :stop], None, False)

    def first(self, batch: int) -> Self:
        """Return a view of the first `batch` sequences, without a copy."""
        view = copy.copy(self)
        view.keys, view.values = self.keys[:, :batch], self.values[:, :batch]
        return view
