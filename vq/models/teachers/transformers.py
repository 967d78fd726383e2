"""Hugging Face folders as teachers: DINOv2, DINOv3 and SigLIP 2 as published there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vq.checkpoints.files import CheckpointError, sha256
from vq.models.teachers.base import Precision, Teacher, library
from vq.registry import MODELS

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class _Kind:
    """How networks of a kind are called; all put patches last, and norm them.

    Args:
        pixels: Mean and deviation, where the folder does not say.
        options: What the network is called with besides pixels.
    """

    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    options: Mapping[str, bool] = field(default_factory=dict)


KINDS = {
    'dinov2': _Kind(IMAGENET),
    'dinov2_with_registers': _Kind(IMAGENET),
    'dinov3_vit': _Kind(IMAGENET),
    'siglip_vision_model': _Kind(HALF, dict(interpolate_pos_encoding=True)),
}


@MODELS.register_module()
class TransformersTeacher(Teacher):
    """The last hidden state of a network in a local folder of Hugging Face's form.

    Class and register tokens are left out, and so is the part of a network that reads
    texts. Nothing is ever downloaded, no code of the folder is run.

    Args:
        weights: The folder: config.json, model.safetensors, and where it is there
            preprocessor_config.json, whose mean and deviation are taken.
        size: See `Teacher`.
        grid: See `Teacher`.
        precision: See `Teacher`.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: The folder is missing; without it nobody knows what to
            build, in a dry run either.
        ValueError: The network is of another kind.
    """

    network: Any

    def __init__(
        self,
        *,
        weights: str,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights, size=size, grid=grid, precision=precision)
        transformers = library('transformers', teacher=type(self))
        folder = self._path()
        # Not to be trusted, or else transformers asks on the terminal.
        foreign = dict(trust_remote_code=False)
        whole = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, **foreign
        )
        config = getattr(whole, 'vision_config', whole)
        if config.model_type not in KINDS:
            raise ValueError(
                f'{folder} holds a network of kind {config.model_type}; known are '
                f'{", ".join(KINDS)}'
            )
        self.kind = KINDS[config.model_type]
        # Whatever the folder's type of numbers is, precision is the teacher's matter.
        self.network = transformers.AutoModel.from_config(
            config, dtype=torch.float32, **foreign
        )
        self.out_dim, self.downscale = config.hidden_size, config.patch_size
        self.set_pixels(*self._pixels(folder))
        self.freeze()

    def load_pretrained(self) -> None:
        """Load the weights from the folder.

        Raises:
            CheckpointError: They are of another network.
        """
        folder = self._path()
        network, report = type(self.network).from_pretrained(
            folder,
            config=self.network.config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        missing = sorted(report['missing_keys']) + sorted(report['mismatched_keys'])
        if missing:
            raise CheckpointError(
                f'{folder} is of another model: {len(missing)} keys are missing or of '
                f'another shape {missing[:3]}'
            )
        self.network.load_state_dict(network.state_dict())
        self.sha256 = sha256(folder / 'model.safetensors')

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to features of patches (b, c, h, w)."""
        h, w = (side // self.downscale for side in pixels.shape[-2:])
        output = self.network(pixel_values=pixels, **self.kind.options)
        tokens: Tensor = output.last_hidden_state[:, -h * w :]
        return rearrange(tokens, 'b (h w) c -> b c h w', h=h)

    def _pixels(self, folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
        path = folder / 'preprocessor_config.json'
        if not path.exists():
            return self.kind.pixels
        said = json.loads(path.read_text())
        return tuple(said['image_mean']), tuple(said['image_std'])

    def _path(self) -> Path:
        path = super()._path()
        if not (path / 'config.json').is_file():
            raise FileNotFoundError(f'{path} is no folder with a config.json')
        return path
