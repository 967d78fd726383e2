"""Published files, read without executing anything that they name.

A file of a training framework holds more than tensors: names of classes and functions
that ordinary unpickling would import and call. Here only what rebuilds tensors is
known; every other name becomes a `Placeholder` that does nothing.
"""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vq.checkpoints.files import is_safetensors
from vq.conversion.family import Family
from vq.conversion.rules import ConversionError, listed

SETTINGS = 'config.json'

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


@dataclass(frozen=True)
class Source:
    """What a published file or folder holds.

    Attributes:
        file: The file with the weights.
        weights: By their published names.
        container: Key under which they lay; '' where they are all of the file.
        others: What else lay in the file, and was not used.
        settings: What lies beside the weights in a folder: config.json.
        foreign: Names of classes and functions that were not followed.
    """

    file: Path
    weights: dict[str, Tensor]
    container: str = ''
    others: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()


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


def read(path: Path, family: Family, *, container: str = '') -> Source:
    """Read the weights that a file, or a folder of diffusers, holds.

    Args:
        path: A .pth, .pt, .ckpt or .safetensors file, whatever its name, or a folder
            with config.json and one file of weights.
        family: Says under which keys the weights may lie.
        container: Take them from under this key.

    Raises:
        ConversionError: The file is damaged, or holds no weights; it is named.
        FileNotFoundError: There is no such file.
    """
    settings: dict[str, Any] = {}
    file = path
    if path.is_dir():
        file = _file_of_folder(path)
        if (path / SETTINGS).is_file():
            settings = json.loads((path / SETTINGS).read_text(encoding='utf-8'))
    content, foreign = load(file)
    weights, used, others = _find(content, family, container, file)
    for name, prefix in family.beside.items():
        if name in others and used and _is_state_dict(content[name]):
            weights |= {prefix + key: value for key, value in content[name].items()}
            others.remove(name)
    return Source(
        file=file,
        weights=weights,
        container=used,
        others=tuple(others),
        settings=settings,
        foreign=foreign,
    )


def load(file: Path) -> tuple[Any, tuple[str, ...]]:
    """Return what a file holds, and the names in it that were not followed.

    Raises:
        ConversionError: It is none that torch or safetensors wrote, or is damaged.
    """
    if not file.is_file():
        raise FileNotFoundError(f'{file} does not exist')
    try:
        if is_safetensors(file):
            return load_file(file), ()
        try:
            return torch.load(file, map_location='cpu', weights_only=True), ()
        except pickle.UnpicklingError:
            return _load_foreign(file)
    except (
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        SafetensorError,
    ) as error:
        raise ConversionError(
            f'{file} is damaged, or is no file that torch.save (since torch 1.6, or '
            'tensors alone) or safetensors wrote: it begins with '
            f'{_beginning(file)!r} ({type(error).__name__})'
        ) from error


def _beginning(file: Path) -> bytes:
    with file.open('rb') as opened:
        return opened.read(16)


def _load_foreign(file: Path) -> tuple[Any, tuple[str, ...]]:
    """Load an archive that names other things than tensors, following none."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.split('/')[1:] == ['data.pkl']]
        if len(pickles) != 1:
            raise pickle.UnpicklingError('no archive of torch.save')
        prefix = pickles[0].removesuffix('data.pkl')
        order = f'{prefix}byteorder'
        if order in names and archive.read(order) != b'little':
            raise pickle.UnpicklingError('written on a big-endian machine')
        unpickler = TensorUnpickler(archive, prefix)
        return unpickler.load(), tuple(sorted(unpickler.foreign))


def _find(
    content: Any, family: Family, container: str, file: Path
) -> tuple[dict[str, Tensor], str, list[str]]:
    """Return the weights, the key they lay under, and the other keys."""
    if not isinstance(content, Mapping):
        raise ConversionError(
            f'{file} holds a {type(content).__name__}; a dict of weights was expected'
        )
    if not container and _is_state_dict(content):
        return dict(content), '', []
    names = [container] if container else list(family.containers)
    for name in names:
        if _is_state_dict(content.get(name)):
            others = [str(key) for key in content if key != name]
            return dict(content[name]), name, others
    raise ConversionError(
        f'{file} holds {listed(map(str, content)) or "nothing"}; expected were the '
        f'weights of {family.name}, alone or under one of {names}'
    )


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(item, Tensor) for item in value.values())
        and all(isinstance(key, str) for key in value)
    )


def _file_of_folder(folder: Path) -> Path:
    """Return the one file of weights of a folder."""
    endings = ('.safetensors', '.bin', '.pt', '.pth', '.ckpt')
    for ending in endings:
        found = sorted(folder.glob(f'*{ending}'))
        if len(found) == 1:
            return found[0]
        if found:
            raise ConversionError(
                f'{folder} holds {listed(p.name for p in found)}: name one of them'
            )
    raise ConversionError(f'{folder} holds no weights: no file *{", *".join(endings)}')


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
