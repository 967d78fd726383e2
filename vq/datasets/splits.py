"""How a list without splits of its own is shared between training and validation.

The rules are those of the reference system, so that numbers can be compared.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal['train', 'val']
SPLITS = ('train', 'val')


def check_split(split: str) -> None:
    """Refuse what is no split.

    Raises:
        ValueError: It is neither 'train' nor 'val'.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {SPLITS}, got {split!r}')


@dataclass(frozen=True, slots=True)
class StrideSplit:
    """Items 0, s, 2s, ... are for validation, the others for training.

    Attributes:
        number: Number of items.
        val_size: How many of them are for validation.

    Raises:
        ValueError: Training would be left without items between.
    """

    number: int
    val_size: int

    def __post_init__(self) -> None:
        if self.val_size < 1 or self.stride < 2:
            raise ValueError(
                f'val_size must be in [1, {self.number // 2}] to take every second '
                f'item or fewer of {self.number}, got {self.val_size}'
            )

    @property
    def stride(self) -> int:
        """Distance between two items of validation."""
        return self.number // self.val_size

    def length(self, split: Split) -> int:
        """Return how many items a split has."""
        return self.val_size if split == 'val' else self.number - self.val_size

    def row(self, split: Split, index: int) -> int:
        """Return which of all items is number `index` of a split."""
        if split == 'val':
            return index * self.stride
        # Behind each item of validation lie stride - 1 of training, and behind the
        # last one also what the division leaves.
        return index + 1 + min(index // (self.stride - 1), self.val_size - 1)

    def holds(self, split: Split, row: int) -> bool:
        """Tell whether an item belongs to a split."""
        val = row % self.stride == 0 and row // self.stride < self.val_size
        return val == (split == 'val')


def tail_split(items: Iterable[str], split: Split, *, val_size: int) -> Iterator[str]:
    """Yield all but the last `val_size` items, or for 'val' those, the last one first.

    No more than `val_size` items are held at a time.

    Raises:
        ValueError: There are not more than `val_size` items.
    """
    if val_size < 1:
        raise ValueError(f'val_size must be at least 1, got {val_size}')
    last: deque[str] = deque()
    full = False
    for item in items:
        last.append(item)
        if len(last) > val_size:
            full = True
            first = last.popleft()
            if split == 'train':
                yield first
    if not full:
        raise ValueError(
            f'val_size is {val_size}, but there are {len(last)} images in all: none '
            'is left for training'
        )
    if split == 'val':
        yield from reversed(last)
