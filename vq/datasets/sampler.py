"""Which samples make which batch: endless and shuffled, or once and in blocks."""

from collections.abc import Collection, Iterator

import numpy as np
from torch.utils.data import Sampler

from vq.types import SampleKey

PERMUTATION = 1  # keeps the shuffle's random numbers apart from the samples' own


class TrainSampler(Sampler[list[SampleKey]]):
    """Batches of one rank out of the endless row of epoch permutations.

    Global batch i is positions [iB, (i+1)B) of that row, whatever the number of ranks,
    and a rank takes its contiguous slice; a batch may span epochs. The row depends on
    `length` and `seed` alone.

    Args:
        length: Length of the data set.
        batch_size: Samples a batch, of all ranks together.
        seed: Seed of the permutations; every key carries it.
        start: First global batch; nothing before it is computed.
        rank: This rank.
        world_size: Number of ranks.

    Raises:
        ValueError: The batch cannot be shared out evenly, or a number is out of range.
    """

    def __init__(
        self,
        length: int,
        *,
        batch_size: int,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        _check(length=length, batch_size=batch_size, world_size=world_size)
        if batch_size % world_size:
            below = batch_size // world_size * world_size
            valid = ' or '.join(str(b) for b in (below, below + world_size) if b)
            raise ValueError(
                f'batch_size {batch_size} (of all ranks together) cannot be shared '
                f'evenly by {world_size} ranks; use {valid}'
            )
        if start < 0 or seed < 0:
            raise ValueError(f'start and seed must be >= 0, got {start} and {seed}')
        self._length = length
        self._batch_size = batch_size
        self._seed = seed
        self._start = start
        self._rank = rank
        self._world_size = world_size

    def __iter__(self) -> Iterator[list[SampleKey]]:
        share = self._batch_size // self._world_size
        position = self._start * self._batch_size + self._rank * share
        epoch, order = -1, np.empty(0, np.int64)
        while True:
            keys = []
            for p in range(position, position + share):
                if epoch != p // self._length:
                    epoch = p // self._length
                    order = self.permutation(epoch)
                keys.append(SampleKey(int(order[p % self._length]), epoch, self._seed))
            yield keys
            position += self._batch_size

    def permutation(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the order of all samples in an epoch: int64, (length,)."""
        entropy = np.random.SeedSequence((self._seed, epoch), spawn_key=(PERMUTATION,))
        return np.random.default_rng(entropy).permutation(self._length)


class BlockSampler(Sampler[list[SampleKey]]):
    """Batches of one rank that, over all ranks, cover a data set exactly once.

    Block k, the consecutive indices [k * block_size, (k+1) * block_size), goes whole to
    rank k modulo the number of ranks. Batches never cross a block, and nothing is
    padded, so ranks may have unequal numbers of batches.

    Args:
        length: Length of the data set.
        batch_size: Samples a batch, of all ranks together; each rank takes batches of
            its share, rounded down, at least 1.
        block_size: Samples a block.
        rank: This rank.
        world_size: Number of ranks.
        skip: Blocks that are done already. The others stay with their ranks.
    """

    def __init__(
        self,
        length: int,
        *,
        batch_size: int,
        block_size: int,
        rank: int = 0,
        world_size: int = 1,
        skip: Collection[int] = (),
    ) -> None:
        _check(batch_size=batch_size, block_size=block_size, world_size=world_size)
        self._length = length
        self._share = max(batch_size // world_size, 1)
        self._block_size = block_size
        done = frozenset(skip)
        number = -(-length // block_size)
        self._blocks = [k for k in range(rank, number, world_size) if k not in done]

    def _ranges(self) -> Iterator[range]:
        for block in self._blocks:
            end = min((block + 1) * self._block_size, self._length)
            for start in range(block * self._block_size, end, self._share):
                yield range(start, min(start + self._share, end))

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for indices in self._ranges():
            yield [SampleKey(index) for index in indices]

    def __len__(self) -> int:
        return sum(1 for _ in self._ranges())


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f'{name} must be at least 1, got {number}')
