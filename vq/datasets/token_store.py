"""The token store's files: what they mean, where they lie, how they are written whole.

tokens/meta.json is a `TokenMeta`: what made the tokens, and of what. Beside it lies one
folder a block of the data set, such as shard_00012/, which holds

* tokens.npy, uint16, uint32 or uint64, (n, h, w), or (n, h, w, g) for g sub-tokens,
  or (n, j, h, w) and (n, j, h, w, g) for j crops an image;
* categories.npy, int64, (n,);
* indices.npy, positions in the data set, ascending, int64, (n,);
* ids.json, n names.

n is the block size, less what could not be read; in the last block it may be smaller.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import vq
from vq import distributed

META = 'meta.json'
_SHARD = re.compile(r'shard_(\d{5,})')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMeta:
    """What a token store holds, and how it was made.

    Attributes:
        token_sizes: Vocabulary of each sub-token of a position; one of one token.
        grid: Rows and columns of the tokens of one image.
        block_size: Consecutive images of the data set that make one shard.
        number: Length of the data set.
        dataset: Which data set, in words or as a path.
        transforms: Configs of the transforms that made the tokenizer's input.
        tokenizer: SHA-256 of the tokenizer's weights, in hex.
        crops: Crops of each image; one has no axis of its own.
        version: Version of vq that wrote it.
    """

    token_sizes: tuple[int, ...]
    grid: tuple[int, int]
    block_size: int
    number: int
    dataset: str
    transforms: list[dict[str, Any]]
    tokenizer: str
    crops: int = 1
    version: str = vq.__version__

    def __post_init__(self) -> None:
        for name in ('block_size', 'number', 'crops'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be >= 1, got {getattr(self, name)}')
        if not self.token_sizes or min(self.token_sizes) < 1:
            raise ValueError(f'token_sizes must be >= 1, got {self.token_sizes}')

    @property
    def codebook_size(self) -> int:
        """Number of different codes, of all sub-tokens together."""
        return math.prod(self.token_sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tokens of one image: [crops,] h, w [, g of g sub-tokens]."""
        crops = (self.crops,) if self.crops > 1 else ()
        groups = len(self.token_sizes)
        return (*crops, *self.grid) if groups == 1 else (*crops, *self.grid, groups)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The smallest of uint16, uint32 and uint64 that holds every sub-token."""
        return np.min_scalar_type(max(*self.token_sizes, 2**16) - 1)

    def out_of_range(self, tokens: NDArray[np.integer[Any]]) -> str | None:
        """Say which tokens, (n, *shape), have no code; None if none."""
        sizes = self.token_sizes
        parts = [tokens] if len(sizes) == 1 else np.moveaxis(tokens, -1, 0)
        for group, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            if part.size and (part.min() < 0 or part.max() >= size):
                name = 'tokens' if len(sizes) == 1 else f'sub-tokens {group}'
                found = f'{part.min()} to {part.max()}'
                return f'{name} must be in [0, {size}), got {found}'
        return None

    @property
    def blocks(self) -> int:
        """Number of blocks, hence of shards."""
        return -(-self.number // self.block_size)

    def block_range(self, block: int) -> range:
        """Return the positions in the data set that make a block."""
        start = block * self.block_size
        return range(start, min(start + self.block_size, self.number))

    def to_json(self) -> dict[str, Any]:
        """Return what meta.json holds: tuples are lists there."""
        fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return {**fields, 'dtype': self.dtype.name}

    @classmethod
    def load(cls, root: Path) -> TokenMeta:
        """Read meta.json of a store.

        Raises:
            ValueError: It has other fields than this version writes.
        """
        fields = json.loads((root / META).read_text('utf-8'))
        fields.pop('dtype', None)  # follows from token_sizes
        try:
            for name in {'token_sizes', 'grid'} & set(fields):
                fields[name] = tuple(fields[name])
            return cls(**fields)
        except TypeError as error:
            raise ValueError(
                f'{root / META} is of another version of vq: {error}; write the '
                'tokens again'
            ) from None

    def check_same(self, other: TokenMeta, root: Path) -> None:
        """Make sure that a store, described by `other`, may be continued.

        Raises:
            ValueError: A field differs; it is named with both values and the way out.
        """
        mine, theirs = self.to_json(), other.to_json()
        differences = [
            f'{name} is {theirs[name]!r} there and {mine[name]!r} here'
            for name in mine
            if mine[name] != theirs[name]
        ]
        if differences:
            raise ValueError(
                f'{root} holds other tokens: {"; ".join(differences)}. Write to '
                'another folder, or delete this one'
            )

    def check_tokenizer(self, tokenizer: str, root: Path) -> None:
        """Make sure that the tokens of a store come from certain weights.

        Args:
            tokenizer: SHA-256 of the weights, in hex.
            root: The store.

        Raises:
            ValueError: They come from others.
        """
        if tokenizer != self.tokenizer:
            raise ValueError(
                f'{root} holds tokens of the tokenizer {self.tokenizer}, but '
                f'{tokenizer} is wanted; tokenize again with the wanted weights, into '
                'another folder, or load the weights that wrote these tokens'
            )


def shard_path(root: Path, block: int) -> Path:
    """Return the folder of a block."""
    return root / f'shard_{block:05d}'


def find_shards(root: Path) -> set[int]:
    """Return the blocks whose shards are complete, which all visible ones are."""
    matches = (_SHARD.fullmatch(name) for name in os.listdir(root))
    return {int(match[1]) for match in matches if match}


def write_meta(root: Path, meta: TokenMeta) -> None:
    """Write meta.json, whole or not at all."""
    temporary = root / f'.{META}.tmp'
    _write_json(temporary, meta.to_json())
    temporary.rename(root / META)
    _sync(root)


def claim(root: Path, meta: TokenMeta) -> None:
    """Make a folder one of these tokens; all ranks share it.

    Raises:
        ValueError: The folder holds tokens of another kind.
    """
    if distributed.is_main():
        root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(root)
        if not (root / META).exists():
            write_meta(root, meta)
    distributed.barrier()
    meta.check_same(TokenMeta.load(root), root)


def write_shard(
    root: Path, block: int, arrays: Mapping[str, NDArray[Any]], ids: list[str]
) -> None:
    """Write the shard of a block, whole or not at all.

    Args:
        root: The store.
        block: Number of the block.
        arrays: What is saved as NAME.npy, by name.
        ids: Names of the images.
    """
    final = shard_path(root, block)
    temporary = root / f'.{final.name}.tmp'
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, array in arrays.items():
        with open(temporary / f'{name}.npy', 'wb') as file:
            np.save(file, array)
            _flush(file)
    _write_json(temporary / 'ids.json', ids)
    _sync(temporary)
    temporary.rename(final)
    _sync(root)


def remove_leftovers(root: Path) -> None:
    """Remove what killed writers left unfinished."""
    for path in root.glob('.*.tmp'):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_json(path: Path, value: Any) -> None:
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file)
        _flush(file)


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut, not only the files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
