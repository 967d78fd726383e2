"""How often each code occurs in a token store, of a codebook of any size."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from vq.datasets.token_store import shard_path
from vq.datasets.tokens import TokenDataset
from vq.models.quantizers.usage import codebook_statistics
from vq.pretrained.progress import Progress

MERGE = 2**20  # partial counts that are kept apart, at least

Tokens = NDArray[np.unsignedinteger]
Integers = NDArray[np.int64]


def run_starts(*keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return where runs of rows begin whose keys are all equal; keys: each (n,)."""
    begins = np.zeros(len(keys[0]), bool)
    begins[:1] = True
    for key in keys:
        begins[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(begins)


def walk(
    store: TokenDataset, *, sub_token: int, label: str
) -> Iterator[tuple[int, Tokens, Integers]]:
    """Yield the shards of a store one by one, and say how far it is.

    Args:
        store: A finished one.
        sub_token: Which token of a position; 0 where there is one.
        label: What it is for.

    Yields:
        The number of the block; its tokens, (n, h, w); positions of its images in the
        data set, (n,).

    Raises:
        ValueError: A shard is damaged; it is named.
    """
    meta = store.meta
    total = len(store) * meta.grid[0] * meta.grid[1]
    progress = Progress(label=label, total=total, describe=lambda n: f'{n:,.0f} tokens')
    for block in range(meta.blocks):
        path = shard_path(store.root, block)
        tokens = np.load(path / 'tokens.npy', mmap_mode='r')
        indices = np.load(path / 'indices.npy')
        found = (tokens.dtype, tokens.shape)
        expected = (meta.dtype, (len(indices), *meta.shape))
        different = f'tokens are {found}, not {expected}' if found != expected else None
        if problem := different or meta.out_of_range(tokens):
            raise ValueError(
                f'{path}: {problem}; delete this folder and tokenize once more: only '
                'what is missing is written'
            )
        part = tokens if len(meta.token_sizes) == 1 else tokens[..., sub_token]
        yield block, part, indices
        progress.add(part.size)
    progress.close()


class CodeCounts:
    """Counts the codes that occur, and keeps nothing about those that do not.

    Takes 16 bytes for each code that occurs, so that a codebook may have 2^64.

    Args:
        size: Number of codes of the codebook.
    """

    def __init__(self, *, size: int) -> None:
        self.size = size
        self._codes: Tokens = np.empty(0, np.uint16)
        self._counts: Integers = np.empty(0, np.int64)
        self._parts: list[tuple[Tokens, Integers]] = []
        self._waiting = 0

    def add(self, tokens: Tokens) -> None:
        """Count tokens of any shape."""
        codes, counts = np.unique(tokens, return_counts=True)
        self._parts.append((codes, counts))
        self._waiting += len(codes)
        if self._waiting > max(MERGE, len(self._codes)):
            self._merge()

    def _merge(self) -> None:
        codes = np.concatenate([self._codes, *(codes for codes, _ in self._parts)])
        counts = np.concatenate([self._counts, *(counts for _, counts in self._parts)])
        order = np.argsort(codes, kind='stable')
        codes, counts = codes[order], counts[order]
        first = run_starts(codes)
        self._codes = codes[first]
        self._counts = np.add.reduceat(counts, first) if len(first) else counts
        self._parts.clear()
        self._waiting = 0

    def result(self) -> tuple[Tokens, Integers]:
        """Return the codes that occur, ascending, and how often each does."""
        self._merge()
        return self._codes, self._counts

    def statistics(self) -> dict[str, float]:
        """Return usage, perplexity and entropy, and how many codes live and are dead.

        Raises:
            ValueError: There was no token.
        """
        codes, counts = self.result()
        # Codes that never occur add nothing to the entropy.
        found = codebook_statistics(torch.from_numpy(np.append(counts, 0)))
        return found | {
            'usage': len(codes) / self.size,
            'codebook_size': self.size,
            'used': len(codes),
            'dead': self.size - len(codes),
            'tokens': int(counts.sum()),
        }
