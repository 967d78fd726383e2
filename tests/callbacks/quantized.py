"""A run of nothing but a quantizer: what the tests of codebook callbacks share."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from vq import distributed
from vq.callbacks import Callback
from vq.registry import MODELS

BATCH = 4  # images an iteration, of all ranks
LENGTH = 40  # of the data set


def vector(**changes: Any) -> dict[str, Any]:
    """Return the config of a quantizer of 16 codes, with changes."""
    return dict(type='VectorQuantizer', codebook_size=16, dim=3) | changes


def runner(quantizer: dict[str, Any] | nn.Module, folder: Path | None = None) -> Any:
    """Return what codebook callbacks ask of a runner."""
    torch.manual_seed(0)
    built = quantizer if isinstance(quantizer, nn.Module) else MODELS.build(quantizer)
    return SimpleNamespace(
        model=nn.ModuleDict(dict(quantizer=built)),
        strategy=SimpleNamespace(device=torch.device('cpu')),
        dataloader=dict(batch_size=BATCH),
        dataset=range(LENGTH),
        optimizers={},
        accumulate=1,
        work_dir=folder,
        visualizer=None,
        iteration=0,
    )


def adam(parameter: nn.Parameter) -> dict[str, Any]:
    """Return a trainer's optimizers: Adam that has made a step."""
    optimizer = torch.optim.Adam([parameter], lr=0.0)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return dict(generator=SimpleNamespace(optimizer=optimizer))


def latent(seed: int, dim: int = 3) -> Tensor:
    """Return a joint batch of latents, (4, dim, 2, 2)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, dim, 2, 2, generator=generator)


def share(joint: Tensor) -> Tensor:
    """Return this rank's images of a joint batch: consecutive, as the sampler's are."""
    return joint.chunk(distributed.world_size())[distributed.rank()]


def step(run: Any, callback: Callback, *latents: Tensor) -> dict[str, Tensor]:
    """Make an iteration of passes over this rank's `latents`; return what is logged."""
    logs: dict[str, Tensor] = {}
    callback.before_train_iter(run, None)  # type: ignore[arg-type]
    for part in latents:
        run.model.quantizer(part)
    run.iteration += 1
    callback.after_train_iter(run, None, logs)  # type: ignore[arg-type]
    return logs


def values(logs: dict[str, Tensor]) -> dict[str, float]:
    """Return scalars as plain numbers."""
    return {key: float(value) for key, value in logs.items()}
