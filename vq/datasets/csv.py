"""Pictures that a column of a table names: text between commas, tabs, semicolons."""

import logging
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, MissingDataError, OnError
from vq.datasets.decoding import read_image
from vq.datasets.missing import absent, write_list
from vq.datasets.names import Names
from vq.datasets.tables import read_columns
from vq.registry import DATASETS

OnMissing = Literal['raise', 'skip']
ON_MISSING = ('raise', 'skip')
SHOWN = 3  # missing files that an error names itself

_logger = logging.getLogger(__name__)


@DATASETS.register_module()
class CSVDataset(ImageDataset):
    """The pictures that a table names, one a row, in its order.

    The first line names the columns. Fields may be quoted; line ends and a byte order
    mark are whatever the program that wrote the table likes. A picture that several
    rows name counts once, as the first of them says. Ids are paths relative to
    `data_root`; of pictures elsewhere the whole path, without the first `/`.

    Args:
        csv: The table; a relative path lies below the repository.
        column: The column of paths.
        data_root: Where relative paths begin; '' means the folder of the table.
        category_column: The column of classes, if any. They are numbered
            alphabetically, whole numbers by size: the tables of training and
            validation must name the same classes.
        separator: Between the columns, one character; '' takes the first of tab, comma
            and semicolon that the first line has.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.
        on_missing: What happens to rows whose files are not there. 'raise': they are an
            error, which names a text that lists them all. 'skip': they are left out.

    Raises:
        MissingDataError: The table, or files that it names, are not there.
        ValueError: The table has no such column, no rows, or a row of another length.
    """

    def __init__(
        self,
        *,
        csv: str,
        column: str = 'image_name',
        data_root: str = '',
        category_column: str | None = None,
        separator: str = '',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
        on_missing: OnMissing = 'raise',
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        if on_missing not in ON_MISSING:
            raise ValueError(
                f'on_missing must be one of {ON_MISSING}, got {on_missing!r}'
            )
        self.description = csv
        self.table = paths.resolve(csv)
        if not self.table.is_file():
            raise MissingDataError(
                f'there is no table {self.table}; option csv names one, whose first '
                f'line holds {column!r} and each further line the path of an image'
            )
        self.root = paths.resolve(data_root) if data_root else self.table.parent
        columns = [column, category_column] if category_column else [column]
        rows = read_columns(self.table, columns, separator=separator)
        numbers, self._categories = array('i'), dict[str, int]()
        self._names = Names(self._collect(rows, numbers))
        if not len(self._names):
            raise ValueError(f'{self.table} has no rows below its first line')
        self._sort_categories(numbers)
        self._leave_out_repeated()
        self._leave_out_missing(on_missing)

    def _collect(
        self, rows: Iterator[list[str]], numbers: 'array[int]'
    ) -> Iterator[str]:
        """Yield the paths, and append the classes, numbered as they come."""
        root = os.path.normpath(self.root)
        below = os.path.join(root, '')
        for name, *category in rows:
            path = os.path.normpath(os.path.join(root, name))
            for known in category:
                number = self._categories.setdefault(known, len(self._categories))
                numbers.append(number)
            yield path.removeprefix(below)

    def _sort_categories(self, numbers: 'array[int]') -> None:
        names = list(self._categories)
        whole = all(name.isdecimal() for name in names)
        names.sort(key=int if whole else None)
        ranks = {self._categories[name]: rank for rank, name in enumerate(names)}
        order = np.array([ranks[number] for number in range(len(names))], np.int32)
        self._categories = {name: rank for rank, name in enumerate(names)}
        self._numbers = order[np.frombuffer(numbers, np.int32)] if names else order

    def _leave_out_repeated(self) -> None:
        # Of a million names, two have the same hash once in thirty million tables.
        hashes = np.fromiter(
            (hash(self._names[place]) for place in range(len(self._names))), np.int64
        )
        first = np.sort(np.unique(hashes, return_index=True)[1])
        if repeated := len(hashes) - len(first):
            _logger.warning(
                '%s: %d of %d rows name an image of an earlier row and are left out',
                *(self.table, repeated, len(hashes)),
            )
            self._keep(first)

    def _leave_out_missing(self, on_missing: OnMissing) -> None:
        missing = absent(self.root, self._names)
        if not len(missing):
            return
        problem = self._list(missing)
        if on_missing == 'raise' or len(missing) == len(self):
            raise MissingDataError(
                f'{problem}; relative paths begin in {self.root}, which option '
                "data_root moves; on_missing='skip' leaves out what is not there"
            )
        _logger.warning('%s; they are left out', problem)
        self._keep(np.setdiff1d(np.arange(len(self)), missing, assume_unique=True))

    def _list(self, missing: NDArray[np.int64]) -> str:
        """Write down which files are missing, and say so in a line."""
        text = write_list((self._names[i] for i in missing), beside=self.table)
        shown = ', '.join(self._names[i] for i in missing[:SHOWN])
        more = ', ...' if len(missing) > SHOWN else ''
        where = f' (all are listed in {text})' if text else ''
        return (
            f'{len(missing)} of {len(self)} images that {self.table} names are not '
            f'there: {shown}{more}{where}'
        )

    def _keep(self, rows: NDArray[np.int64]) -> None:
        self._names = Names(self._names[row] for row in rows)
        if self._categories:
            self._numbers = self._numbers[rows]

    @property
    def name(self) -> str:
        """The last two names of the table's path: 'photos/train.csv'."""
        return '/'.join(self.table.parts[-2:])

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return read_image(self.root / self._names[index])

    def id(self, index: int) -> str:
        """Return the path of picture `index`, with `/` but none in front."""
        return self._names[index].lstrip('/')

    def category(self, index: int) -> int:
        """Return the number of the class of picture `index`."""
        return int(self._numbers[index]) if self._categories else 0

    @property
    def categories(self) -> list[str]:
        """Names of the classes, by index; empty without a column of them."""
        return list(self._categories)
