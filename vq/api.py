"""Models from Python: by a config, with weights, ready to use."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from vq import images, paths
from vq.config import Config, ConfigError, apply_overrides, check, load
from vq.datasets.decoding import read_image
from vq.registry import TRANSFORMS
from vq.runners import loading
from vq.runners.base import build_model

CONFIG, WEIGHTS = 'config.py', 'model.safetensors'  # of a folder that vq.export writes
PARTS = ('validator', 'trainer')

Files = str | Path | Sequence[str | Path]
Overrides = str | Mapping[str, Any] | Sequence[str]


def load_model(
    config: str | Path | Config | Mapping[str, Any],
    weights: Files | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    overrides: Overrides | None = None,
    device: torch.device | str = 'cpu',
    ema: bool = False,
    part: str = 'validator',
) -> nn.Module:
    """Build a model, load weights into it, and return it in eval mode.

    Args:
        config: A config file, below the repository, the current folder or absolute; a
            folder that `vq.export` wrote, which holds the weights too; a loaded
            config; or the config of a model, a dict with its `type`.
        weights: Weight files, checkpoint folders or exported ones; where two hold a
            key, the later wins. Files of frozen parts that a checkpoint names are
            found. None keeps random weights, unless `config` is an exported folder.
        options: Values of the placeholders of a config file.
        overrides: Changes as `--override` takes them: values by path, or words, or one
            word. The paths of a model's config begin at the model: `.decoder.width`.
        device: Where the model is to be.
        ema: Take the averaged weights of checkpoints.
        part: Whose model of a config: 'validator', or 'trainer' for its losses too.

    Raises:
        ConfigError: The config, an option or an override is wrong; or `ema` is asked
            for without weights.
        CheckpointError: Weights are missing or of another model.
        FileNotFoundError: A file is not there.
    """
    folder = _exported(config)
    if folder:
        config, weights = folder / CONFIG, weights or folder
    if ema and weights is None:
        raise ConfigError(
            'ema=True takes the averaged weights of checkpoints: give weights'
        )
    model = build_model(_model_config(config, options, overrides, part))
    if weights is not None:
        _load(model, weights, ema=ema)
    return model.to(device).eval()


def read_picture(path: str | Path, *, size: int | None = None) -> Tensor:
    """Read a picture file as a network takes it: (1, 3, H, W) in [-1, 1].

    Args:
        path: The file, below the repository or the current folder.
        size: Make it a square of this side: the shorter one is resized, the longer
            one is cut. None leaves it as it is.
    """
    image = read_image(paths.resolve_input(path))
    for kind in ('Resize', 'CenterCrop') if size else ():
        transform = TRANSFORMS.build(dict(type=kind, size=size))
        image = transform(image, np.random.default_rng(0))
    return rearrange(images.normalize(image), 'c h w -> 1 c h w')


def save_picture(image: Tensor, path: str | Path) -> None:
    """Write images (3, H, W) or (b, 3, H, W) in [-1, 1], side by side, as one PNG."""
    batch = image if image.ndim == 4 else rearrange(image, 'c h w -> 1 c h w')
    row = rearrange(images.to_uint8(batch.detach()), 'b c h w -> c h (b w)')
    images.save_png(row, Path(path))


def _exported(config: Any) -> Path | None:
    """Return the folder of an export, if a config is one.

    Raises:
        ConfigError: It is another folder.
    """
    if not isinstance(config, str | Path):
        return None
    try:
        path = paths.resolve_input(config)
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None
    if path.is_dir() and not _is_export(path):
        raise ConfigError(
            f'{path} is a folder without {CONFIG} and {WEIGHTS}, as vq.export writes '
            'them: give the config file first, then weights'
        )
    return path if path.is_dir() else None


def _is_export(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def _model_config(
    config: str | Path | Config | Mapping[str, Any],
    options: Mapping[str, Any] | None,
    overrides: Overrides | None,
    part: str,
) -> dict[str, Any]:
    """Return the checked config of the model alone."""
    if isinstance(overrides, str):
        overrides = [overrides]
    if part not in PARTS:
        raise ConfigError(f'part must be one of {", ".join(PARTS)}, got {part!r}')
    if isinstance(config, str | Path):
        loaded = load(config, options=options, overrides=overrides or ())
    elif options:
        raise ConfigError(f'only a config file has options, got {sorted(options)}')
    elif isinstance(config, Config):
        loaded = copy.deepcopy(config)
        apply_overrides(loaded, overrides or ())
    else:
        model = copy.deepcopy(dict(config))
        apply_overrides(model, overrides or ())
        check(dict(model=model))
        return model
    check(loaded)
    found: dict[str, Any] = getattr(loaded, part).model
    return found


def _load(model: nn.Module, weights: Files, *, ema: bool) -> None:
    """Load weights strictly."""

    def put(module: nn.Module, state: Mapping[str, Tensor]) -> None:
        module.load_state_dict(state, strict=False)  # `take` says what is missing

    names = [weights] if isinstance(weights, str | Path) else [*weights]
    files = [paths.resolve_input(name) for name in names]
    files = [file / WEIGHTS if _is_export(file) else file for file in files]
    found = loading.gather(model, files, strict=True, ema=ema)
    loading.take(model, found, files, strict=True, load=put)
