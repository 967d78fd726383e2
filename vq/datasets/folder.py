"""Pictures in a folder: one sub-folder a class, or all in one."""

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, MissingDataError, OnError
from vq.datasets.decoding import read_image
from vq.datasets.names import Names
from vq.registry import DATASETS

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
PREPARED = ('digits', 'photos')  # what tools/prepare_data.py makes


@DATASETS.register_module()
class FolderDataset(ImageDataset):
    """The pictures below a folder, named by their paths relative to it.

    Sub-folders are classes, numbered alphabetically (for ImageNet's WNIDs that is the
    usual numbering); below a class, folders may nest. A folder without sub-folders is
    flat: category 0. The order is that of classes, then of names. Hidden files are
    left out.

    Args:
        data_root: The folder; relative ones lie below the repository.
        split: Name of a folder in it, such as 'train', to read in its place: so that
            this data set can stand where another one was.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.
        extensions: File names that count as pictures; upper and lower case are one.

    Raises:
        MissingDataError: There is no such folder, or no picture in it.
        ValueError: Pictures lie both in the folder and in its sub-folders.
    """

    def __init__(
        self,
        *,
        data_root: str,
        split: str = '',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        self.split = split or None
        self.description = f'{data_root}/{split}' if split else data_root
        self.root = paths.resolve(data_root) / split
        self._extensions = tuple(extension.lower() for extension in extensions)
        if not self.root.is_dir():
            raise MissingDataError(
                f'there is no folder {self.root}; {_way_out(data_root)}'
            )
        self._categories = sorted(_folders(self.root))
        numbers = array('i')
        self._ids = Names(self._scan(numbers))
        self._numbers = np.array(numbers)
        if not len(self._ids):
            kinds = ', '.join(self._extensions)
            raise MissingDataError(
                f'there is no image ({kinds}) in {self.root}; {_way_out(data_root)}'
            )

    def _scan(self, numbers: 'array[int]') -> Iterator[str]:
        """Yield all ids in order, and append their categories to `numbers`."""
        flat = sorted(self._files(self.root, prefix='', deep=False))
        if not self._categories:
            numbers.extend([0] * len(flat))
            yield from flat
            return
        found = False
        for number, name in enumerate(self._categories):
            ids = sorted(self._files(self.root / name, prefix=f'{name}/', deep=True))
            numbers.extend([number] * len(ids))
            found = found or bool(ids)
            yield from ids
        if flat and found:
            raise ValueError(
                f'{self.root} holds both images ({flat[0]}) and folders of images '
                f'({self._categories[0]}); move one kind elsewhere'
            )

    def _files(self, folder: Path, *, prefix: str, deep: bool) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith('.'):
                    continue
                if entry.name.lower().endswith(self._extensions):
                    yield prefix + entry.name
                elif deep and entry.is_dir():
                    below = f'{prefix}{entry.name}/'
                    yield from self._files(Path(entry), prefix=below, deep=True)

    @property
    def name(self) -> str:
        """The last two names of the folder's path: 'photos/val'."""
        return '/'.join(self.root.parts[-2:])

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return read_image(self.root / self._ids[index])

    def id(self, index: int) -> str:
        """Return the path of picture `index` relative to the root, with `/`."""
        return self._ids[index]

    def category(self, index: int) -> int:
        """Return the number of the class folder of picture `index`."""
        return int(self._numbers[index])

    @property
    def categories(self) -> list[str]:
        """Names of the class folders, sorted; empty for a flat folder."""
        return list(self._categories)


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [e.name for e in entries if e.is_dir() and not e.name.startswith('.')]


def _way_out(root: str) -> str:
    for name in PREPARED:
        if name in Path(root).parts:
            return f'run `python tools/prepare_data.py {name}`'
    return (
        'put images there, one sub-folder a class or all in one folder, or give '
        'another root; ready-made data: `python tools/prepare_data.py digits`'
    )
