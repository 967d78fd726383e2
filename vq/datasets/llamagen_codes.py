"""LlamaGen's token files (https://arxiv.org/abs/2406.06525): two .npy an image.

FOLDER/imagenet256_codes/17.npy holds the tokens of image 17, int64, (1, crops, n), in
raster order, and FOLDER/imagenet256_labels/17.npy its category, int64, (1,); 256 are
pixels. Numbers start at 0 and leave none out.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from vq import distributed, paths
from vq.datasets.base import MissingDataError
from vq.datasets.token_origin import TokenOrigin
from vq.datasets.token_samples import TokenSamples
from vq.datasets.token_store import META, TokenMeta, claim
from vq.datasets.tokens import TokenDataset
from vq.pretrained.progress import Progress
from vq.registry import DATASETS

CODES, LABELS = '_codes', '_labels'
CODEBOOK_SIZE = 16384  # of LlamaGen's tokenizers
_FILE = re.compile(r'(0|[1-9]\d*)\.npy')


@DATASETS.register_module()
class LlamaGenCodesDataset(TokenSamples):
    """The images of LlamaGen's token files.

    Which tokenizer made them, files of `tools/llamagen.py` say in meta.json beside the
    two folders; of others nobody knows.

    Args:
        root: Folder of the two; relative ones lie below the repository.
        crop: Which crop of each image, for validation; None draws one, for training.
        codebook_size: Of the tokenizer, where there is no meta.json.
        transforms: Configs of the transforms of the images that stand in, in a dry run,
            for files that are not there.

    Raises:
        MissingDataError: There are no such folders, or a file is missing.
        ValueError: The first file is damaged; its grid is not square; or there is no
            such crop.
    """

    def __init__(
        self,
        *,
        root: str,
        crop: int | None = None,
        codebook_size: int = CODEBOOK_SIZE,
        transforms: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        folder = paths.resolve(root)
        self._codes, self._labels = _find(folder)
        self._length = _number(self._codes, self._labels)
        _, crops, number = _read(self._codes / '0.npy', ndim=3).shape
        side = math.isqrt(number)
        if side**2 != number:
            raise ValueError(
                f'{self._codes / "0.npy"} has {number} tokens a crop, which is no '
                'square; LlamaGen has as many rows as columns'
            )
        if (folder / META).is_file():
            origin = TokenOrigin.of(folder, TokenMeta.load(folder))
        else:
            sizes = (codebook_size,)
            origin = TokenOrigin(root=folder, grid=(side, side), token_sizes=sizes)
        super().__init__(origin=origin, crops=crops, crop=crop)
        self.description = root
        self._size = origin.token_sizes[0]
        self._shape = (1, crops, number)

    def __len__(self) -> int:
        return self._length

    def stored(self, index: int) -> NDArray[np.integer[Any]]:
        """Return the tokens of all crops of image `index`, (crops, h, w).

        Raises:
            ValueError: The file is damaged.
        """
        path = self._codes / f'{index}.npy'
        values = _read(path, ndim=3)
        if values.shape != self._shape:
            raise ValueError(f'{path} is {values.shape}, 0.npy is {self._shape}')
        if values.min() < 0 or values.max() >= self._size:
            raise ValueError(
                f'{path} holds tokens from {values.min()} to {values.max()}, the '
                f'codebook has {self._size} codes: set codebook_size'
            )
        side = math.isqrt(values.shape[-1])
        return rearrange(values, '1 j (h w) -> j h w', h=side)

    def id(self, index: int) -> str:
        """Return the number of image `index`."""
        return str(index)

    def category(self, index: int) -> int:
        """Return the class index of image `index`.

        Raises:
            ValueError: The file is damaged.
        """
        return int(_read(self._labels / f'{index}.npy', ndim=1)[0])


def write_codes(store: TokenDataset, folder: Path, *, image_size: int) -> None:
    """Write a token store as LlamaGen's files; all ranks share the work.

    What is there already stays, so that a run which was killed goes on.

    Args:
        store: A finished one, of one token a position.
        folder: Where the two folders and meta.json come.
        image_size: Side of the tokenizer's images, for the folders' names.

    Raises:
        ValueError: The store has sub-tokens, or the folder holds others' tokens.
    """
    check_one_token(store.meta.token_sizes)
    claim(folder, store.meta)
    codes, labels = (folder / f'imagenet{image_size}{kind}' for kind in (CODES, LABELS))
    for path in (codes, labels):
        path.mkdir(exist_ok=True)
    rank, world_size = distributed.rank(), distributed.world_size()
    bounds = [len(store) * (rank + i) // world_size for i in range(2)]
    total = bounds[1] - bounds[0]
    progress = Progress(label=str(codes), total=total, describe=lambda n: f'{n:,.0f}')
    # From the last on: of a run that was killed numbers are missing, which whoever
    # reads the files is told; and the codes last: where they are, all is there.
    for index in reversed(range(*bounds)):
        if not (codes / f'{index}.npy').exists():
            tokens, category, _ = store.row(index)
            _write(labels / f'{index}.npy', np.array([category]))
            _write(codes / f'{index}.npy', tokens.reshape(1, store.meta.crops, -1))
        if distributed.is_main():
            progress.add(1)
    distributed.barrier()


def check_one_token(token_sizes: Sequence[int]) -> None:
    """Make sure that LlamaGen's files can hold tokens of these sub-tokens.

    Raises:
        ValueError: There are several a position.
    """
    if len(token_sizes) > 1:
        raise ValueError(
            f"LlamaGen's files hold one token a position, the tokenizer makes "
            f'{len(token_sizes)}, of token_sizes={tuple(token_sizes)}; train on the '
            'token store, without --npy'
        )


def _find(folder: Path) -> tuple[Path, Path]:
    found = sorted(folder.glob(f'*{CODES}'))
    if len(found) > 1:
        names = ', '.join(path.name for path in found)
        raise ValueError(f'{folder} holds {names}: move all but one elsewhere')
    for codes in found:
        labels = codes.with_name(codes.name.removesuffix(CODES) + LABELS)
        if labels.is_dir():
            return codes, labels
    raise MissingDataError(
        f"{folder} has not LlamaGen's two folders, such as imagenet256{CODES} and "
        f'imagenet256{LABELS}; write them with tools/llamagen.py ... --npy'
    )


def _number(*folders: Path) -> int:
    """Return how many files each folder has, numbered from 0.

    Raises:
        MissingDataError: One is missing.
    """
    found = [
        {int(m[1]) for name in os.listdir(folder) if (m := _FILE.fullmatch(name))}
        for folder in folders
    ]
    length = max(max(numbers, default=0) for numbers in found) + 1
    for folder, numbers in zip(folders, found, strict=True):
        if len(numbers) < length:
            first = min(set(range(length)) - numbers)
            raise MissingDataError(
                f'{folder / f"{first}.npy"} is missing, one of {length - len(numbers)}'
                f' of the {length} files; run the command that wrote them once more'
            )
    return length


def _read(path: Path, *, ndim: int) -> NDArray[np.integer[Any]]:
    try:
        values: NDArray[Any] = np.load(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f'{path} is damaged: {error}; write it again') from None
    if values.ndim != ndim or values.shape[0] != 1 or values.dtype.kind not in 'iu':
        wanted = '(1, crops, n)' if ndim > 1 else '(1,)'
        raise ValueError(
            f'{path} is damaged: integers {wanted} belong there, found {values.dtype} '
            f'{values.shape}; write it again'
        )
    return values


def _write(path: Path, values: NDArray[np.integer[Any]]) -> None:
    temporary = path.with_name(f'.{path.name}.tmp')
    with open(temporary, 'wb') as file:
        np.save(file, values.astype(np.int64))
    temporary.rename(path)
