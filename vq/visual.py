"""Scalars and pictures for TensorBoard and its kin, through mmengine's backends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from einops import rearrange
from mmengine.registry import VISBACKENDS
from mmengine.visualization.vis_backend import BaseVisBackend
from torch import Tensor


class Visualizer:
    """Writes to several of mmengine's Visualizer backends at once.

    Args:
        work_dir: The run's folder; a backend's files lie in a folder below it,
            TensorBoard's in `tensorboard/`.
        backends: Configs, such as `dict(type='TensorboardVisBackend')`.
    """

    def __init__(self, work_dir: Path, backends: Sequence[Mapping[str, Any]]) -> None:
        self._backends: list[BaseVisBackend] = []
        for cfg in backends:
            folder = cfg['type'].removesuffix('VisBackend').lower()
            defaults = dict(save_dir=str(work_dir / folder))
            self._backends.append(VISBACKENDS.build({**defaults, **cfg}))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add scalars, named `group/name`."""
        for backend in self._backends:
            for name, value in values.items():
                backend.add_scalar(name, value, step=step)

    def image(self, name: str, image: Tensor, step: int) -> None:
        """Add a picture, uint8, (3, h, w)."""
        picture = rearrange(image, 'c h w -> h w c').cpu().numpy()
        for backend in self._backends:
            backend.add_image(name, picture, step=step)

    def close(self) -> None:
        """Write out what is held back, and close."""
        for backend in self._backends:
            backend.close()
        self._backends.clear()
