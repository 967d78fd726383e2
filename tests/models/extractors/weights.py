"""Random weights of Inception in a file, by the recipe of the golden cases."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vq.models.extractors.inception import Inception


def inception_state(seed: int = 82) -> dict[str, Tensor]:
    """Return the state dict that golden case 10b describes as `inception_recipe`."""
    random = np.random.RandomState(seed)
    with torch.device('meta'):
        shapes = {k: tuple(v.shape) for k, v in Inception().state_dict().items()}
    state = {}
    for key in sorted(shapes):
        if key.endswith('num_batches_tracked'):
            continue
        shape = shapes[key]
        value = random.standard_normal(shape)
        if key.endswith('conv.weight'):
            value *= np.sqrt(2 / np.prod(shape[1:]))
        elif key.endswith('bn.weight'):
            value = 1 + 0.1 * value
        elif key.endswith('running_var'):
            value = np.exp(0.2 * value)
        elif key == 'fc.weight':
            value *= 0.02
        else:  # biases and running means
            value *= 0.1
        state[key] = torch.from_numpy(value).float()
    return state


def write_inception(path: Path, seed: int = 82) -> Path:
    """Write these weights as the published file has them; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(inception_state(seed), path)
    return path
