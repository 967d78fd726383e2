"""The token store: tokens of a whole data set, written once, read at random."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vq import distributed, paths
from vq.datasets.base import MissingDataError
from vq.datasets.token_store import (
    META,
    TokenMeta,
    claim,
    find_shards,
    shard_path,
    write_shard,
)
from vq.registry import DATASETS

OPEN_SHARDS = 256  # each keeps a file open; processes may usually open 1024
NAMED = 10  # missing shards that an error lists


class TokenWriter:
    """Write one rank's blocks of a token store; all ranks share the folder.

    A block is the consecutive images that `BlockSampler` gives to one rank. Rows are
    collected until the block is full or left, then written as one shard, whole or not
    at all. A killed run loses its open block and goes on after the finished ones:

        with TokenWriter(root, meta=meta) as writer:
            loader = val_loader(..., block_size=..., skip=writer.done())
            for batch in loader:
                writer.add(batch.index, tokens, batch.category, batch.ids)

    Leaving the `with` block in peace is `finish()`; an exception drops the open block.

    Args:
        root: The folder; relative ones lie below the repository.
        meta: What is written. A folder that has some must agree in every field.

    Raises:
        ValueError: The folder holds tokens of another kind.
    """

    def __init__(self, root: str | Path, *, meta: TokenMeta) -> None:
        self.root = paths.resolve(root)
        self.meta = meta
        claim(self.root, meta)
        self._done = find_shards(self.root)
        distributed.barrier()  # all have looked before any writes: all skip the same
        self._block: int | None = None
        self._clear()

    def done(self) -> set[int]:
        """Return the finished blocks: all ranks' before this run, own ones since."""
        return set(self._done)

    def add(
        self, indices: Tensor, tokens: Tensor, categories: Tensor, ids: list[str]
    ) -> None:
        """Take the tokens of a batch; a block that is full or left is written.

        Args:
            indices: Positions in the data set, ascending, of one block, (b,).
            tokens: int64, (b, *meta.shape), on any device.
            categories: Class indices, (b,).
            ids: b names.

        Raises:
            ValueError: Something does not fit `meta`, or the order is not that of
                `BlockSampler`.
        """
        if not ids:  # nothing in the batch was readable
            return
        rows = indices.cpu().numpy()
        block = self._check_rows(rows)
        values = self._check_tokens(tokens.cpu().numpy(), len(ids))
        if block != self._block:
            self.flush()
            self._block = block
        self._indices.append(rows)
        self._tokens.append(values.astype(self.meta.dtype))
        self._categories.append(categories.cpu().numpy())
        self._ids += ids
        if rows[-1] == self.meta.block_range(block)[-1]:
            self.flush()

    def _check_rows(self, rows: NDArray[np.int64]) -> int:
        block = int(rows[0]) // self.meta.block_size
        # An open block goes on where it was left.
        known = self._indices[-1][-1:] if block == self._block else rows[:0]
        places = np.concatenate([known, rows])
        if (np.diff(places) <= 0).any() or rows[-1] not in self.meta.block_range(block):
            raise ValueError(
                f'indices must ascend within one block of {self.meta.block_size} and '
                f'be below {self.meta.number}, got {places.tolist()}; read with '
                "val_loader, the store's block size and on_error='skip', not 'replace'"
            )
        if block in self._done:
            raise ValueError(
                f'block {block} is already in {self.root}; give skip=writer.done() '
                'to val_loader'
            )
        return block

    def _check_tokens(
        self, values: NDArray[np.int64], number: int
    ) -> NDArray[np.int64]:
        expected = (number, *self.meta.shape)
        if values.shape != expected:
            raise ValueError(f'tokens must be of shape {expected}, got {values.shape}')
        if problem := self.meta.out_of_range(values):
            raise ValueError(problem)
        return values

    def flush(self) -> None:
        """Write the open block, if any; it then counts as finished."""
        if self._block is not None:
            self._write(self._block)

    def _write(self, block: int) -> None:
        arrays: dict[str, NDArray[Any]] = {
            'tokens': np.concatenate(
                [np.empty((0, *self.meta.shape), self.meta.dtype), *self._tokens]
            ),
            'categories': np.concatenate([np.empty(0, np.int64), *self._categories]),
            'indices': np.concatenate([np.empty(0, np.int64), *self._indices]),
        }
        write_shard(self.root, block, arrays, self._ids)
        self._done.add(block)
        self._clear()

    def finish(self) -> None:
        """Write the open block, and empty shards for blocks without a readable image.

        To be called when this rank has seen all of its blocks.
        """
        self.flush()
        rank, world_size = distributed.rank(), distributed.world_size()
        for block in range(rank, self.meta.blocks, world_size):
            if block not in self._done:
                self._write(block)

    def _clear(self) -> None:
        self._block = None
        self._indices: list[NDArray[np.int64]] = []
        self._tokens: list[NDArray[Any]] = []
        self._categories: list[NDArray[np.int64]] = []
        self._ids: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()


@dataclass(slots=True)
class _Shard:
    tokens: NDArray[Any]  # (n, *meta.shape), mapped from the file
    categories: NDArray[np.int64]  # (n,)
    ids: list[str]

    @classmethod
    def open(cls, path: Path) -> Self:
        return cls(
            np.load(path / 'tokens.npy', mmap_mode='r'),
            np.load(path / 'categories.npy'),
            json.loads((path / 'ids.json').read_text('utf-8')),
        )


@DATASETS.register_module()
class TokenDataset(Dataset[tuple[Tensor, int, str]]):
    """Random access to a finished token store; shards are opened when needed.

    Args:
        root: The store; relative ones lie below the repository.
        tokenizer: SHA-256, in hex, of the weights that the tokens must come from;
            None takes any.

    Raises:
        MissingDataError: There is no store, or shards are missing.
        ValueError: The tokens come from another tokenizer.
    """

    def __init__(self, root: str | Path, *, tokenizer: str | None = None) -> None:
        self.root = paths.resolve(root)
        if not (self.root / META).is_file():
            raise MissingDataError(
                f'there is no token store at {self.root}; write one with '
                '`python -m vq.test NAME CONFIG --tokenize --load-model-from MODEL`'
            )
        self.meta = TokenMeta.load(self.root)
        if tokenizer is not None:
            self.meta.check_tokenizer(tokenizer, self.root)
        self._check_complete()
        lengths = [self._length(block) for block in range(self.meta.blocks)]
        self._ends = np.cumsum(lengths, dtype=np.int64)
        self._open: OrderedDict[int, _Shard] = OrderedDict()

    def _check_complete(self) -> None:
        missing = sorted(set(range(self.meta.blocks)) - find_shards(self.root))
        if not missing:
            return
        names = [shard_path(self.root, block).name for block in missing[:NAMED]]
        more = f' and {len(missing) - NAMED} more' if len(missing) > NAMED else ''
        raise MissingDataError(
            f'{self.root} lacks {len(missing)} of {self.meta.blocks} shards: '
            f'{", ".join(names)}{more}; run the command that wrote it once more: it '
            'writes only what is missing'
        )

    def _length(self, block: int) -> int:
        # Mapping reads the header alone; the file is closed again at once.
        path = shard_path(self.root, block) / 'indices.npy'
        return len(np.load(path, mmap_mode='r'))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> tuple[Tensor, int, str]:
        """Return an image's tokens, int64, `meta.shape`, its category and id."""
        values, category, id_ = self.row(index)
        return torch.from_numpy(values.astype(np.int64)), category, id_

    def row(self, index: int) -> tuple[NDArray[Any], int, str]:
        """Return the same, but the tokens as they lie in the file."""
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is not in [0, {len(self)})')
        block = int(np.searchsorted(self._ends, index, side='right'))
        shard = self._shard(block)
        row = index - int(self._ends[block])  # counted from the end: negative
        return shard.tokens[row], int(shard.categories[row]), shard.ids[row]

    def _shard(self, block: int) -> _Shard:
        if block not in self._open:
            self._open[block] = _Shard.open(shard_path(self.root, block))
            if len(self._open) > OPEN_SHARDS:
                self._open.popitem(last=False)
        self._open.move_to_end(block)
        return self._open[block]

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when pickled for a worker."""
        return {**self.__dict__, '_open': OrderedDict()}

    def verify(self) -> None:
        """Read everything once and check it against the description.

        Raises:
            ValueError: A shard is damaged; it is named.
        """
        for block in range(self.meta.blocks):
            for problem in self._problems(block):
                raise ValueError(f'{shard_path(self.root, block)}: {problem}')

    def _problems(self, block: int) -> list[str]:
        shard = _Shard.open(shard_path(self.root, block))
        indices = np.load(shard_path(self.root, block) / 'indices.npy')
        rows, tokens, places = len(indices), shard.tokens, self.meta.block_range(block)
        problems = []
        shape, dtype = (rows, *self.meta.shape), self.meta.dtype
        if tokens.shape != shape or tokens.dtype != dtype:
            problems.append(
                f'tokens are {tokens.dtype} {tokens.shape}, not {dtype} {shape}'
            )
        elif problem := self.meta.out_of_range(tokens):
            problems.append(problem)
        if shard.categories.shape != (rows,) or len(shard.ids) != rows:
            problems.append('categories, ids and indices differ in number')
        inside = rows == 0 or indices[0] >= places.start and indices[-1] < places.stop
        if not inside or (np.diff(indices) <= 0).any():
            problems.append(f'indices do not ascend within {places}')
        return problems
