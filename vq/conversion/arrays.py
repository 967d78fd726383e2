"""Numpy's arrays in a file of torch.save, rebuilt without calling numpy's own code.

Numpy's functions take whatever a pickle says, down to the flags of a type. Here an
array is made of floating-point numbers, a shape and bytes, and anything else is an
error.
"""

import pickle
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vq.conversion.unpickling import TensorUnpickler

FLOATS = ('f2', 'f4', 'f8')


class Fields(tuple[Any, ...]):
    """What an unknown class was given: the fields of a NamedTuple."""

    def __new__(cls, *args: Any) -> 'Fields':
        """Keep the arguments, and do nothing else."""
        return super().__new__(cls, args)

    def __setstate__(self, state: Any) -> None:
        return


class ArrayUnpickler(TensorUnpickler):
    """Unpickles arrays too, as tensors, and keeps what an unknown class was given."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what rebuilds arrays and tensors; for the rest, a class that keeps."""
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        known = super().find_class(module, name)
        return Fields if f'{module}.{name}' in self.foreign else known

    def load(self) -> Any:
        """Return what the file holds."""
        return _plain(super().load())


class _Type:
    """A type of numbers, little-endian."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        if name not in FLOATS:
            raise pickle.UnpicklingError(f'an array of {name!r}, not of {FLOATS}')
        self.dtype = np.dtype(f'<{name}')

    def __setstate__(self, state: Any) -> None:
        if state[1] != '<':
            raise pickle.UnpicklingError(f'an array in the byte order {state[1]!r}')


class _Array:
    """An array; its state comes after it."""

    def __init__(self, *_: Any) -> None:
        self.tensor = torch.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise pickle.UnpicklingError('an array without numbers')
        flat = np.frombuffer(data, kind.dtype)
        ordered = flat.reshape(shape, order='F' if fortran else 'C')
        self.tensor = torch.from_numpy(ordered.copy(order='C'))


def _encode(text: str, encoding: str) -> bytes:
    """Return the bytes that pickle's older protocols write as text."""
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes written as {encoding!r}')
    return text.encode('latin1')


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Fields):
        return Fields(*map(_plain, value))
    tensor: Tensor | Any = value.tensor if isinstance(value, _Array) else value
    return tensor


_KNOWN: dict[tuple[str, str], Any] = {
    ('numpy.core.multiarray', '_reconstruct'): _Array,
    ('numpy._core.multiarray', '_reconstruct'): _Array,  # since numpy 2
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Type,
    ('_codecs', 'encode'): _encode,
}
