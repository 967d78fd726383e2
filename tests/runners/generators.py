"""A generator of the tiny proposal network: what tests of sampling share."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.runs import job
from vq.config import load
from vq.runners import Generator

TINY = Path(__file__).parents[1] / 'integration' / 'tiny_proposal.py'


def spread(model: nn.Module) -> None:
    """Give a transformer weights with which classes and tokens make a difference."""
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        if weight.ndim == 2:
            nn.init.normal_(weight, std=0.3, generator=generator)


def tiny_generator(folder: Path, *overrides: str, **changes: Any) -> Generator:
    """Return a generator of 5 classes, 4 x 4 tokens and 8 px; with changes."""
    half = load(TINY, overrides=list(overrides)).validator
    arguments = dict(
        model=half.model,
        strategy=half.strategy,
        batch_size=4,
        transforms=half.dataset.transforms,
    )
    one = Generator(job=job(folder), **(arguments | changes))
    spread(one.model.transformer)
    one.begin()
    return one
