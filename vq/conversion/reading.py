"""Published files and folders: the weights in them, wherever they lie."""

import json
import pickle
import zipfile
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
from vq.conversion.unpickling import load_foreign

SETTINGS = 'config.json'


@dataclass(frozen=True)
class Source:
    """What a published file or folder holds.

    Attributes:
        file: The file with the weights.
        weights: By their published names.
        container: Key under which they lay; '' where they are all of the file.
        others: What else lay in the file, and was not used.
        settings: What lies beside the weights in a folder: config.json.
        wrapper: What all names began with, and was taken off: 'module.'.
        foreign: Names of classes and functions that were not followed.
    """

    file: Path
    weights: dict[str, Tensor]
    container: str = ''
    others: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    wrapper: str = ''
    foreign: tuple[str, ...] = ()


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
    weights, wrapper = _unwrapped(weights)
    for name, prefix in family.beside.items():
        if name in others and used and _is_state_dict(content[name]):
            part, _ = _unwrapped(content[name])
            weights |= {prefix + key: value for key, value in part.items()}
            others.remove(name)
    return Source(
        file=file,
        weights=weights,
        container=used,
        others=tuple(others),
        settings=settings,
        wrapper=wrapper,
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
            return load_foreign(file)
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


def _unwrapped(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Take off what wrappers of a whole model put before all names."""
    taken = ''
    for wrapper in ('module.', '_orig_mod.', 'module.'):
        if all(key.startswith(wrapper) for key in weights):
            weights = {key.removeprefix(wrapper): w for key, w in weights.items()}
            taken += wrapper
    return dict(weights), taken


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
