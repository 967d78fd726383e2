"""Unpickling that follows no name but those that rebuild tensors.

A file of a training framework names classes and functions that ordinary unpickling
imports and calls. Here each of them becomes a `Placeholder` that does nothing.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_STORAGES = {
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


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


class TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors, containers and plain values out of a torch archive.

    Args:
        archive: The zip file that torch.save writes.
        prefix: Folder inside it.
    """

    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(io.BytesIO(archive.read(f'{prefix}data.pkl')))
        self._archive = archive
        self._prefix = prefix
        self._storages: dict[str, Tensor] = {}
        self.foreign: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """Return what rebuilds tensors, and a new kind of Placeholder for the rest."""
        known = _KNOWN.get((module, name))
        if known is not None:
            return known
        if module == 'torch' and name in _STORAGES:
            return _STORAGES[name]
        self.foreign.add(f'{module}.{name}')
        return type('Placeholder', (Placeholder,), {})

    def persistent_load(self, pid: Any) -> Tensor:
        """Return a storage as a flat tensor; the same object for the same key."""
        kind, dtype, key, *_ = pid
        if kind != 'storage' or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f'unknown storage {pid!r}')
        if key not in self._storages:
            data = bytearray(self._archive.read(f'{self._prefix}data/{key}'))
            empty = torch.empty(0, dtype=dtype)
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else empty
        return self._storages[key]


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
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.split('/')[1:] == ['data.pkl']]
        if len(pickles) != 1:
            raise pickle.UnpicklingError('no archive of torch.save')
        prefix = pickles[0].removesuffix('data.pkl')
        order = f'{prefix}byteorder'
        if order in names and archive.read(order) != b'little':
            raise pickle.UnpicklingError('written on a big-endian machine')
        unpickler = unpickler_type(archive, prefix)
        return unpickler.load(), tuple(sorted(unpickler.foreign))


def _rebuild_tensor(
    storage: Tensor,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    *_: Any,
) -> Tensor:
    """Return a view of a storage; torch checks that it lies inside."""
    if not isinstance(storage, Tensor):
        raise pickle.UnpicklingError('a tensor without a storage')
    return torch.as_strided(storage, size, stride, offset)


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_KNOWN: dict[tuple[str, str], Any] = {
    ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
    ('torch._utils', '_rebuild_parameter'): _rebuild_parameter,
    ('torch', 'Size'): tuple,
    ('collections', 'OrderedDict'): OrderedDict,
    **{
        ('torch', str(dtype).removeprefix('torch.')): dtype
        for dtype in _STORAGES.values()
    },
}
