"""A look aside: what a callback tries out there leaves no trace in the training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from vq.runners.base import Runner


@contextmanager
def same_randomness(device: torch.device) -> Iterator[None]:
    """Undo all random draws, and seeds that are set, at the end."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == 'cuda' else []):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def untouched(runner: Runner) -> Iterator[None]:
    """Put the model into evaluation mode; then undo that, and all random draws."""
    modes = {module: module.training for module in runner.model.modules()}
    try:
        with same_randomness(runner.strategy.device):
            runner.model.eval()
            yield
    finally:
        for module, training in modes.items():
            module.training = training
