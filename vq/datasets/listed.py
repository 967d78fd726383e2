"""Data sets whose pictures a list names, and what to say where one is missing."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vq.datasets.base import ImageDataset, MissingDataError, OnError
from vq.datasets.decoding import read_image
from vq.datasets.folder import EXTENSIONS
from vq.datasets.names import Names


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set is had, and how it lies on disk.

    Attributes:
        name: What it is called.
        layout: Its files below the root, in a few words.
        page: Address of its official page.
    """

    name: str
    layout: str
    page: str

    def missing(self, what: str) -> MissingDataError:
        """Return the error that says what is missing, and the way out."""
        return MissingDataError(
            f'{what}; {self.name} is expected as {self.layout} (option data_root says '
            f'where) and is had from {self.page}; docs/datasets.md says more'
        )

    def require_file(self, *paths: Path) -> Path:
        """Return the first of these files that exists.

        Raises:
            MissingDataError: None does; the first one is named.
        """
        for path in paths:
            if path.is_file():
                return path
        raise self.missing(f'there is no file {paths[0]}')

    def require_folder(self, path: Path) -> Path:
        """Return a folder that exists and is not empty.

        Raises:
            MissingDataError: It is not there, or nothing is in it.
        """
        if not path.is_dir():
            raise self.missing(f'there is no folder {path}')
        with os.scandir(path) as entries:
            if next(entries, None) is None:
                raise self.missing(f'{path} is empty')
        return path


def flat_files(
    folder: Path, *, extensions: Sequence[str] = EXTENSIONS
) -> Iterator[str]:
    """Yield the names of the pictures in a folder, unsorted; hidden ones are left out.

    Args:
        folder: It is read once, and no picture is opened.
        extensions: File names that count as pictures, in lower case.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.lower().endswith(tuple(extensions)) and not name.startswith('.'):
                yield name


class ListedDataset(ImageDataset):
    """Pictures below one folder, without classes, in the order of a list.

    Whether the files of a list are there is found out when they are read, since asking
    for millions takes minutes; `on_error` says what then happens.

    Args:
        root: The folder.
        ids: Paths of the pictures relative to it; they are read once.
        description: Which data set and split this is, for token stores.
        source: What to say where the list is empty.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: The list is empty.
    """

    def __init__(
        self,
        *,
        root: Path,
        ids: Iterable[str],
        description: str,
        source: Source,
        transforms: Sequence[Mapping[str, Any]],
        on_error: OnError,
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        self.root = root
        self.description = description
        self._ids = Names(ids)
        if not len(self._ids):
            raise source.missing(f'no image is listed for {root}')

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return read_image(self.root / self._ids[index])

    def id(self, index: int) -> str:
        """Return the path of picture `index` relative to the folder, with `/`."""
        return self._ids[index]
