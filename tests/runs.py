"""Tiny runs of real runners: what the tests of runners and callbacks share."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vq.config import Config, load
from vq.datasets.base import OnError
from vq.datasets.decoding import UnreadableImageError
from vq.datasets.synthetic import SyntheticDataset
from vq.registry import DATASETS, MODELS, RUNNERS
from vq.runners import Job, Trainer, Validator
from vq.types import Batch, Loss, Optimizers, Quantized, Reconstruction

TINY = Path(__file__).parent / 'integration' / 'tiny_vqgan.py'
SYNTHETIC = dict(type='SyntheticDataset', length=10, size=6, transforms=[])


@MODELS.register_module()
class Toy(nn.Module):
    """Reconstructs an image as scale * image + shift, by the mean squared error.

    Args:
        bad: Iterations whose loss is not finite.
    """

    def __init__(self, *, bad: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.shift = nn.Parameter(torch.tensor(0.1))
        self.bad = bad
        self.norm = nn.BatchNorm2d(3, affine=False)

    def forward(self, image: Tensor) -> Reconstruction:
        self.norm(image)
        latent = self.scale * image + self.shift
        tokens = torch.zeros(len(image), 1, 1, dtype=torch.int64)
        return Reconstruction(latent, Quantized(latent, tokens))

    def loss(self, batch: Batch, factor: float) -> Loss:
        reconstruction = self(batch.image)
        total = (reconstruction.image - batch.image).square().mean() * factor
        logs = dict(total=total.detach(), twice=total.detach() * 2)
        return Loss(total, logs, reconstruction)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        factor = torch.nan if optimizers.iteration in self.bad else 1.0
        return optimizers['generator'](self.loss, batch, factor).logs

    def val_step(self, batch: Batch) -> Reconstruction:
        return self(batch.image)


@DATASETS.register_module()
class SpottyDataset(SyntheticDataset):
    """Synthetic pictures, some of which are broken; it notes what is read.

    Args:
        length: Number of pictures.
        broken: Indices that cannot be read.
        on_error: What then happens.
        size: Side of a picture.
    """

    def __init__(
        self,
        *,
        length: int = 10,
        broken: tuple[int, ...] = (),
        on_error: OnError = 'skip',
        size: int = 16,
    ) -> None:
        super().__init__(length=length, transforms=[], size=size)
        self.on_error, self.broken = on_error, broken
        self.reads: list[int] = []

    def read(self, index: int) -> Tensor:
        self.reads.append(index)
        if index in self.broken:
            raise UnreadableImageError(self.id(index), 'it is torn')
        return super().read(index)


def toy(**changes: Any) -> dict[str, Any]:
    """Return the arguments of a trainer of `Toy`, with changes."""
    return (
        dict(
            model=dict(type='Toy'),
            dataset=SYNTHETIC,
            dataloader=dict(batch_size=2, num_workers=0),
            optimizers=dict(generator=dict(type='SGD', lr=0.1)),
            strategy=dict(type='DDPStrategy'),
            iters=4,
        )
        | changes
    )


def job(folder: Path, *, seed: int = 1) -> Job:
    """Return a job in `folder`."""
    config = Config({}, path=folder / 'x.py', sources=None)  # type: ignore[arg-type]
    return Job(name='run', work_dir=folder, config=config, seed=seed)


def toy_trainer(folder: Path, **changes: Any) -> Trainer:
    """Return a trainer of `Toy` in `folder`."""
    return Trainer(job=job(folder), **toy(**changes))


def tiny(*overrides: str) -> Config:
    """Return the config of the tiny VQGAN, with overrides as users type them."""
    return load(TINY, overrides=list(overrides))


def tiny_trainer(folder: Path, *overrides: str) -> Trainer:
    """Return a trainer of the tiny VQGAN in `folder`."""
    return RUNNERS.build(tiny(*overrides).trainer, job=job(folder))


def tiny_validator(folder: Path, *overrides: str) -> Validator:
    """Return a validator of the tiny VQGAN in `folder`."""
    return RUNNERS.build(tiny(*overrides).validator, job=job(folder))
