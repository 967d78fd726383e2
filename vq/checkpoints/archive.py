"""Zip archives of torch, unpickled so that nothing is called but what makes tensors."""

import functools
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, TypeVar

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


class ArchiveUnpickler(pickle.Unpickler):
    """Unpickles tensors, containers and plain values; a subclass says what else.

    Args:
        archive: The zip file that torch writes.
        prefix: Folder inside it.
    """

    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(io.BytesIO(archive.read(f'{prefix}data.pkl')))
        self._archive = archive
        self._prefix = prefix
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what rebuilds tensors, and for the rest what `stand_in` says."""
        known = _KNOWN.get((module, name))
        if known is not None:
            # A new object each time: a pickle may set attributes of what it is given.
            return known if isinstance(known, torch.dtype) else functools.partial(known)
        return self.stand_in(module, name)

    def stand_in(self, module: str, name: str) -> Any:
        """Return what a pickle gets that asks for this name; here it is refused."""
        raise pickle.UnpicklingError(f'it asks for {module}.{name}')

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


T = TypeVar('T', bound=ArchiveUnpickler)


def load_archive(file: Path, unpickler_type: type[T]) -> tuple[Any, T]:
    """Return what an archive holds, and the unpickler that read it.

    Raises:
        UnpicklingError: It is no such archive, or asks for what is refused; other
            errors where it is damaged.
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
        return unpickler.load(), unpickler


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


def _first(value: Any, *_: Any) -> Any:
    return value


_KNOWN: dict[tuple[str, str], Any] = {
    ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
    ('torch._utils', '_rebuild_parameter'): _first,
    # TorchScript wraps its lists and dicts.
    ('torch.jit._pickle', 'restore_type_tag'): _first,
    **{
        ('torch.jit._pickle', f'build_{kind}list'): list
        for kind in ('int', 'double', 'bool', 'tensor')
    },
    ('torch', 'Size'): tuple,
    ('collections', 'OrderedDict'): OrderedDict,
    **{
        ('torch', str(dtype).removeprefix('torch.')): dtype
        for dtype in _STORAGES.values()
    },
    **{('torch', name): dtype for name, dtype in _STORAGES.items()},
}
