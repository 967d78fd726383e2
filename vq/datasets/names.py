"""A list of strings in two arrays: a million names without a million objects.

Python strings of ImageNet's names take 100 MB, and every worker process copies what it
touches, since reading an object writes its reference count.
"""

from array import array
from collections.abc import Iterable

import numpy as np


class Names:
    """An immutable, indexable list of strings.

    Args:
        names: The strings; they are read once. Undecodable file names survive.
    """

    def __init__(self, names: Iterable[str]) -> None:
        blob = bytearray()
        ends = array('q', [0])  # a list of ints would take more room than the names
        for name in names:
            blob += name.encode('utf-8', 'surrogateescape')
            ends.append(len(blob))
        # Views, not copies; nothing else holds the buffers.
        self._blob = np.frombuffer(blob, np.uint8)
        self._ends = np.frombuffer(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is not in [0, {len(self)})')
        start, stop = self._ends[index], self._ends[index + 1]
        return self._blob[start:stop].tobytes().decode('utf-8', 'surrogateescape')
