"""Published weights: named local files, which only tools/prepare_checkpoints.py gets.

    path = find('torchvision/vgg16')  # or an error with the command that fetches it

Imported without torch.
"""

import difflib
from pathlib import Path
from typing import Any

from vq import paths
from vq.pretrained.entry import Entry
from vq.pretrained.progress import human
from vq.pretrained.table import TABLE, members

__all__ = ['TABLE', 'Entry', 'MissingWeightsError', 'find', 'is_entry', 'load']


class MissingWeightsError(FileNotFoundError):
    """A published file is not there; says what to run."""

    def __init__(self, entry: Entry, path: Path) -> None:
        size = '' if entry.about is None else f', {human(entry.about)},'
        super().__init__(f'{path}{size} is missing; run: {entry.command}')
        self.entry = entry
        self.path = path


def find(name: str) -> Path:
    """Return the local file of an entry of the table: `torchvision/vgg16`.

    A name of several files, `huggingface/gpt2-medium`, stands for their folder. A path
    is a name too: `pretrained/torch/vgg16-397923af.pth`.

    Raises:
        MissingWeightsError: The file is not there.
        KeyError: There is no such entry; the nearest names are given.
    """
    entries = members(name)
    if not entries:
        raise KeyError(f'{name} is no entry of vq.pretrained{_nearest(name)}')
    for entry in entries:
        path = paths.resolve('pretrained') / entry.file
        if not path.is_file():
            raise MissingWeightsError(entry, path)
    return path if len(entries) == 1 else path.parent


def is_entry(name: str) -> bool:
    """Tell whether `find` knows this name."""
    return bool(members(name))


def load(name: str) -> Any:
    """Return what the file of an entry holds, on the CPU, executing nothing.

    OpenAI's CLIP files are programs (TorchScript): it returns their tensors.

    Raises:
        MissingWeightsError: The file is not there.
        KeyError: There is no such entry.
        CheckpointError: It is damaged, or holds more than plain tensors.
    """
    from vq.checkpoints.files import read_file  # torch; `find` does without

    return read_file(find(name))


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, TABLE, n=2, cutoff=0.5)
    return f'; did you mean {" or ".join(near)}?' if near else f': {", ".join(TABLE)}'
