"""TorchScript archives, such as OpenAI's CLIP: their tensors, none of their code."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vq.checkpoints.archive import ArchiveUnpickler, load_archive

CODE = '__torch__'  # the package of all classes in such an archive


class Attributes(dict[str, Any]):
    """Stands for an object of the archive: its attributes and nothing else."""

    def __setstate__(self, state: Any) -> None:
        self.update(state)


class _ScriptUnpickler(ArchiveUnpickler):
    """Makes `Attributes` of the archive's own objects, and refuses all others."""

    def stand_in(self, module: str, name: str) -> Any:
        """Return a new class that takes nothing but attributes."""
        if module.split('.')[0] == CODE:
            return type('Attributes', (Attributes,), {})
        return super().stand_in(module, name)


def is_torchscript(path: Path) -> bool:
    """Tell by its content whether a file is what `torch.jit.save` writes."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        inside = {name.partition('/')[2] for name in archive.namelist()}
    return {'data.pkl', 'constants.pkl'} <= inside


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Return the tensors of an archive by their dotted names; nothing is executed.

    Raises:
        UnpicklingError: It asks for more than tensors, plain values and its own
            classes; other errors where it is damaged.
    """
    root, _ = load_archive(path, _ScriptUnpickler)
    return dict(_tensors(root, ''))


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(part, f'{name}.{key}' if name else str(key))
