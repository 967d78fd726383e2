"""A tiny proposal network of 16 tokens, its data, and a validator of it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.models.tiny import VQGAN
from tests.runs import job
from vq import checkpoints
from vq.models.proposal import ProposalNetwork
from vq.registry import MODELS
from vq.runners import Trainer, Validator
from vq.types import Batch

GRID = (4, 4)
CLASSES = 3
FROZEN = {key: VQGAN[key] for key in ('tokenizer', 'pre_decode', 'decoder')}
DATA = dict(type='SyntheticDataset', length=7, size=8, num_classes=3, transforms=[])


def config(**sampling: Any) -> dict[str, Any]:
    """Return the config of a network that is guided, or sampled as told."""
    return dict(
        type='ProposalNetwork',
        transformer=dict(type='Llama', dim=16, depth=1, heads=2, grid=GRID, mlp_dim=32),
        classes=CLASSES,
        class_dropout=0.1,
        sampling=sampling or dict(cfg=4.0, top_k=20),
        **FROZEN,
    )


def spread(model: nn.Module) -> None:
    """Give a transformer weights that tell tokens apart: it begins with zeros."""
    torch.manual_seed(3)
    for parameter in model.get_submodule('transformer').parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.5)


def network(**sampling: Any) -> ProposalNetwork:
    """Return a network in evaluation mode that tells tokens apart."""
    torch.manual_seed(0)
    model: ProposalNetwork = MODELS.build(config(**sampling))
    spread(model)
    return model.eval()


def batch(number: int) -> Batch:
    """Return random images of 8 px and of all classes, numbered from 5 on."""
    generator = torch.Generator().manual_seed(1)
    shape = number, 3, 8, 8
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    index = torch.arange(number)
    ids = [f'{i}.png' for i in index.tolist()]
    return Batch(pixels, index % CLASSES, index + 5, ids)


def trainer(
    folder: Path, *callbacks: dict[str, Any], iters: int = 1, lr: float = 0.0
) -> Trainer:
    """Return a trainer of such a network, with dropout."""
    built = Trainer(
        job=job(folder),
        model=config() | dict(dropout=0.2),
        dataset=DATA,
        dataloader=dict(batch_size=3, num_workers=0),
        strategy=dict(type='DDPStrategy'),
        optimizers=dict(transformer=dict(type='SGD', lr=lr, params=['transformer'])),
        iters=iters,
        callbacks=list(callbacks),
    )
    spread(built.model)
    state = built.model.state_dict()
    built.frozen = {
        name: checkpoints.FrozenPart(checkpoints.part_hash(state, name))
        for name in checkpoints.frozen_parts(built.model)
    }
    return built


def validator(folder: Path, **changes: Any) -> Validator:
    """Return a validator of such a network on 7 images, with changes."""
    arguments: dict[str, Any] = dict(
        job=job(folder),
        model=config(),
        dataset=DATA,
        dataloader=dict(batch_size=3, num_workers=0),
        strategy=dict(type='DDPStrategy'),
    )
    built = Validator(**(arguments | changes))
    spread(built.model)
    return built
