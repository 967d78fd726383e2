"""A teacher's features kept on disk, for runs that show the same pictures again."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vq import paths
from vq.checkpoints.files import WRITE_ERRORS, write_safetensors
from vq.distributed import world_size
from vq.models.frozen import RANDOM, FrozenModule
from vq.models.teachers.base import Teacher
from vq.registry import MODELS

GB = 10**9  # bytes
DTYPES = {'float32': torch.float32, 'float16': torch.float16}

_logger = logging.getLogger(__name__)


@MODELS.register_module()
class CachedTeacher(FrozenModule):
    """Another teacher that sees each picture once, where augmentation is fixed.

    Features lie in one file a picture, below a folder a teacher, and are found again by
    the picture's bytes. Another teacher, other weights or another precision never meet
    them. What is written appears whole or not at all, so that processes may share a
    folder.

    Args:
        teacher: The other one.
        folder: Where to; a relative one lies in the repository.
        dtype: What is kept. 'float16' takes half the room, and rounds; what is
            returned is rounded at the first sight too.
        limit_gb: Gigabytes that the folder of a teacher may take, by all ranks
            together. A ViT-B at 14x14 takes 0.6 MB a picture: ImageNet 770 GB.
        patience: After so many pictures of a rank without a single one that was there,
            nothing more is written: they seem to be augmented at random. The first
            epoch has none either, so it is more than ImageNet.

    Attributes:
        out_dim: See `Teacher`.
        downscale: See `Teacher`.

    Raises:
        ValueError: The dtype is unknown.
    """

    def __init__(
        self,
        *,
        teacher: Mapping[str, Any],
        folder: str,
        dtype: Literal['float32', 'float16'] = 'float32',
        limit_gb: float = 100.0,
        patience: int = 1_500_000,
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {list(DTYPES)}, got {dtype}')
        self.teacher: Teacher = MODELS.build(teacher)
        self.folder = paths.resolve(folder)
        self.dtype = DTYPES[dtype]
        self.out_dim = self.teacher.out_dim
        self.downscale = self.teacher.downscale
        self.resizes = self.teacher.resizes
        self._config = dict(teacher)
        self._limit = limit_gb * GB
        self._room: float | None = None  # bytes; known when the first file is written
        self._patience = patience
        self._misses = 0  # pictures since the last one that was there
        self._writes = True
        self.freeze()

    @torch.no_grad()
    def forward(self, original_image: Tensor) -> Tensor:
        """Return the teacher's features of uint8 images (b, 3, H, W), (b, c, h, w)."""
        if self.teacher.sha256 == RANDOM:
            return self.teacher(original_image)  # type: ignore[no-any-return]
        root = self.folder / self._identity(original_image.device)
        files = [
            root / f'{name[:2]}/{name}.safetensors' for name in _names(original_image)
        ]
        features = [_read(file) for file in files]
        missing = [i for i, known in enumerate(features) if known is None]
        if missing:
            seen = self.teacher(original_image[missing]).to(self.dtype).cpu()
            for i, feature in zip(missing, seen, strict=True):
                features[i] = feature
            self._keep(root, [(files[i], features[i]) for i in missing])
        self._misses = 0 if len(missing) < len(files) else self._misses + len(files)
        return torch.stack(features).to(original_image.device, torch.float32)

    def _identity(self, device: torch.device) -> str:
        """Return a name of the teacher: of its config, and of what its weights are."""
        said = {
            **{key: value for key, value in self._config.items() if key != 'weights'},
            'weights': self.teacher.sha256,
            'bf16': self.teacher.in_bf16(device),
            'kept': str(self.dtype),
        }
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _keep(self, root: Path, new: Iterable[tuple[Path, Any]]) -> None:
        """Write features; stop for good where there is no room, or no use in it."""
        if not self._writes:
            return
        if self._misses >= self._patience:
            self._stop(f'none of {self._misses} pictures had been seen before')
            return
        if self._room is None:
            sizes = (file.stat().st_size for file in root.glob('*/*.safetensors'))
            self._room = (self._limit - sum(sizes)) / world_size()
        for file, feature in new:
            self._room -= feature.nbytes
            if self._room < 0:
                self._stop(f'{self.folder} is full: limit_gb is {self._limit / GB:g}')
                return
            try:
                _write(file, feature)
            except WRITE_ERRORS as error:
                self._stop(str(error))
                return

    def _stop(self, reason: str) -> None:
        _logger.warning('no more features are written: %s', reason)
        self._writes = False


def _names(images: Tensor) -> list[str]:
    """Return what pictures are found by: a hash of their shape and bytes."""
    shape = str(tuple(images.shape[1:])).encode()
    rows = rearrange(images.cpu(), 'b c h w -> b (c h w)').contiguous().numpy()
    return [hashlib.sha256(shape + row.tobytes()).hexdigest() for row in rows]


def _read(file: Path) -> Any:
    """Return what a file holds; None where there is none, or a damaged one."""
    try:
        return load_file(file)['features']
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError) as error:
        _logger.warning('%s is damaged and will be written again: %s', file, error)
        return None


def _write(file: Path, feature: Tensor) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f'.{file.name}.{os.getpid()}')
    try:
        write_safetensors(aside, {'features': feature.contiguous()})
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
