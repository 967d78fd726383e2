"""Unpickling that follows no name but those that rebuild tensors.

A file of a training framework names classes and functions that ordinary unpickling
imports and calls. Here each of them becomes a `Placeholder` that does nothing.
"""

from pathlib import Path
from typing import Any

from vq.checkpoints.archive import ArchiveUnpickler, load_archive


class Placeholder:
    """Stands for any class, function or object that is not a tensor.

    Whatever unpickling does to it - calling, filling, setting a state - does nothing.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> 'Placeholder':
        """Take any arguments."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        return

    def __call__(self, *args: Any, **kwargs: Any) -> 'Placeholder':
        """Return another one; nothing is called."""
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        return

    def __setitem__(self, key: Any, value: Any) -> None:
        return

    def append(self, item: Any) -> None:
        """Take an item."""

    def extend(self, items: Any) -> None:
        """Take items."""

    def add(self, item: Any) -> None:
        """Take an item."""


class TensorUnpickler(ArchiveUnpickler):
    """Unpickles tensors, and a new kind of `Placeholder` for every other name."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.foreign: set[str] = set()

    def stand_in(self, module: str, name: str) -> Any:
        """Return a new kind of Placeholder, and note the name."""
        self.foreign.add(f'{module}.{name}')
        return type('Placeholder', (Placeholder,), {})


def load_foreign(
    file: Path, unpickler_type: type[TensorUnpickler] = TensorUnpickler
) -> tuple[Any, tuple[str, ...]]:
    """Load an archive of torch.save that names other things than tensors.

    Args:
        file: The archive.
        unpickler_type: What makes sense of it.

    Returns:
        What it holds, and the names in it that were not followed.

    Raises:
        UnpicklingError: It is no such archive; other errors where it is damaged.
    """
    value, unpickler = load_archive(file, unpickler_type)
    return value, tuple(sorted(unpickler.foreign))
