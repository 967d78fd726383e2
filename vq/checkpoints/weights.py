"""Weights: read from files and folders, matched to a model with a report, hashed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vq.checkpoints.files import CheckpointError, read_file
from vq.checkpoints.folders import Checkpoint


def read_weights(paths: Sequence[Path], *, ema: bool = False) -> dict[str, Tensor]:
    """Return the weights that files or checkpoint folders hold, later ones winning.

    Args:
        paths: .pth or .safetensors files, or checkpoint folders.
        ema: Take the averaged weights of checkpoint folders, also where a folder's
            model.pth or model.safetensors is named.
    """
    merged: dict[str, Tensor] = {}
    stem = 'ema' if ema else 'model'
    for path in paths:
        if path.is_dir():
            checkpoint = Checkpoint(path)
            if stem not in checkpoint:
                raise CheckpointError(f'{path} holds no {stem}.pth')
            path = path / f'{stem}.pth'
        elif ema and path.stem == 'model':
            path = path.with_stem('ema')
        state = read_file(path)
        if not isinstance(state, dict) or not all(
            isinstance(value, Tensor) for value in state.values()
        ):
            raise CheckpointError(
                f'{path} is no state dict of ours; tools/convert_checkpoints.py '
                'converts published checkpoints'
            )
        merged |= state
    return merged


@dataclass(frozen=True)
class LoadReport:
    """What was loaded into a model, and what was not."""

    loaded: int
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]

    def __str__(self) -> str:
        parts = [f'loaded {self.loaded}']
        for kind in ('missing', 'unexpected', 'mismatched'):
            keys = getattr(self, kind)
            groups = sorted({'.'.join(key.split('.')[:2]) for key in keys})
            parts.append(
                f'{kind} {len(keys)}' + (f' ({", ".join(groups)})' * bool(keys))
            )
        return ', '.join(parts)


def match(
    model: nn.Module, weights: Mapping[str, Tensor], *, strict: bool = True
) -> tuple[LoadReport, dict[str, Tensor]]:
    """Return which weights fit a model, in name and shape, and a report.

    A module that takes weights of another's names has a method
    `rename_weights(weights, prefix)`, which is asked first.

    Args:
        model: The model.
        weights: A state dict.
        strict: Refuse when a key of the model is missing or has another shape. Keys
            that the model does not have are reported, never an error.

    Raises:
        CheckpointError: Something is missing (`strict`), or nothing fits at all.
    """
    for name, module in model.named_modules():
        rename = getattr(module, 'rename_weights', None)
        if rename is not None:
            weights = rename(weights, f'{name}.' if name else '')
    own = model.state_dict()
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    report = LoadReport(
        loaded=len(fitting),
        missing=[key for key in own if key not in weights],
        unexpected=[key for key in weights if key not in own],
        mismatched=[
            f'{key} {tuple(value.shape)} for {tuple(own[key].shape)}'
            for key, value in weights.items()
            if key in own and own[key].shape != value.shape
        ],
    )
    if not fitting or (strict and (report.missing or report.mismatched)):
        detail = '; '.join([*report.mismatched[:5], *report.missing[:5]])
        raise CheckpointError(f'the weights do not fit the model: {report}: {detail}')
    return report, fitting


def state_hash(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a state dict: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f'{key} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_fit(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights whose keys and shapes are not exactly the model's.

    Raises:
        CheckpointError: Some are missing, unexpected or of another shape; the first few
            are named.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    both = [key for key in own if key in weights]
    mismatched = [key for key in both if own[key].shape != weights[key].shape]
    if missing or unexpected or mismatched:
        raise CheckpointError(
            f'{source} is of another model: {len(missing)} keys are missing '
            f'{missing[:3]}, {len(unexpected)} unexpected {unexpected[:3]}, '
            f'{len(mismatched)} of another shape {mismatched[:3]}'
        )
