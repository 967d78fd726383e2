"""Single files: plain tensors and JSON, written whole, read without executing."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vq.checkpoints.torchscript import is_torchscript, read_torchscript

# What a full disk raises: torch.save and safetensors have errors of their own for it.
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, is damaged, or does not fit."""


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        aside.write_text(json.dumps(value, indent=2) + '\n')
        sync(aside)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def write_weights(stem: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as STEM.pth and STEM.safetensors."""
    torch.save(dict(state), stem.with_suffix('.pth'))
    # safetensors refuses tensors that share memory, hence the clones.
    plain = {
        key: value.detach().cpu().clone().contiguous() for key, value in state.items()
    }
    write_safetensors(stem.with_suffix('.safetensors'), plain)


def write_safetensors(path: Path, state: Mapping[str, Tensor], **header: str) -> None:
    """Write contiguous tensors that share no memory, readable as any new file is."""
    save_file(dict(state), path, metadata={'format': 'pt', **header})
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # safetensors lets only its owner read


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file is one of safetensors, whatever its name.

    It begins with the length of its header in eight bytes, and the header with a brace;
    the files of torch.save begin with the marks of a zip archive or of a pickle.
    """
    with path.open('rb') as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], 'little')
    return head[8:] == b'{' and length <= path.stat().st_size - 8


def read_file(path: Path) -> Any:
    """Return what a file of torch.save, torch.jit or safetensors holds, on the CPU.

    The content tells which it is, not the name. Nothing is executed: of a program of
    torch.jit.save it is the tensors.

    Raises:
        CheckpointError: The file is damaged, or holds more than plain tensors.
    """
    try:
        if is_safetensors(path):
            return load_file(path)
        if is_torchscript(path):
            return read_torchscript(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch.load raises a dozen kinds for a bad file
        raise CheckpointError(
            f'{path} is damaged, or holds more than plain tensors: {_brief(error)}'
        ) from error


def _brief(error: Exception) -> str:
    """Return one line; torch's own text goes on to recommend unsafe loading."""
    text = str(error).rpartition('WeightsUnpickler error:')[2].strip()
    lines = text.splitlines() or [type(error).__name__]
    return lines[0].split('. Please use')[0]
