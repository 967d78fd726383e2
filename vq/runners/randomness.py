"""Seeds, and the state of every random generator as plain tensors."""

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from vq import distributed


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _get() -> dict[str, Any]:
    version, internal, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()
    state = dict(
        python=[version, list(internal), gauss],
        numpy=[name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def _set(state: dict[str, Any]) -> None:
    version, internal, gauss = state['python']
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'])
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'])


def get_states() -> list[dict[str, Any]]:
    """Return the random states of all ranks, on every rank."""
    if distributed.world_size() == 1:
        return [_get()]
    states: list[dict[str, Any]] = [{}] * distributed.world_size()
    dist.all_gather_object(states, _get())
    return states


def set_state(states: list[dict[str, Any]]) -> None:
    """Set this rank's random state from the list of all ranks'."""
    _set(states[distributed.rank()])
