"""The smallest VQGAN, an optimizer loop, and batches: what model tests share."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vq.types import Batch, Loss

VQGAN = {
    'type': 'VQGAN',
    'tokenizer': {
        'type': 'ImageTokenizer',
        'encoder': {
            'type': 'ConvEncoder',
            'width': 8,
            'width_mults': (1, 2),
            'depth': 1,
            'latent_dim': 8,
            'norm_groups': 4,
        },
        'post_encode': {'type': 'Connector', 'in_dim': 8, 'out_dim': 4},
        'quantizer': {'type': 'VectorQuantizer', 'codebook_size': 32, 'dim': 4},
    },
    'pre_decode': {'type': 'Connector', 'in_dim': 4, 'out_dim': 8},
    'decoder': {
        'type': 'ConvDecoder',
        'width': 8,
        'width_mults': (2, 1),
        'depth': 1,
        'latent_dim': 8,
        'norm_groups': 4,
    },
    'discriminator': {'type': 'PatchDiscriminator', 'depth': 2, 'width': 4},
    'reconstruction_losses': {'l1_loss': {'type': 'L1Loss'}},
    'adversarial_loss': {'type': 'HingeLoss'},
    'adversarial_weight': {'type': 'AdaptiveWeight', 'gain': 0.8},
}


def vqgan(**changes: Any) -> dict[str, Any]:
    """Return the config of a VQGAN of 16 px, 8x8 tokens, 32 codes, with changes."""
    return copy.deepcopy(VQGAN) | changes


def batch(number: int = 2, *, size: int = 16, seed: int = 0) -> Batch:
    """Return random uint8 images (number, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        original_image=torch.randint(
            0, 256, (number, 3, size, size), generator=generator, dtype=torch.uint8
        ),
        category=torch.zeros(number, dtype=torch.int64),
        index=torch.arange(number),
        ids=[str(i) for i in range(number)],
    )


@dataclass
class Step:
    """An `Update`: back-propagate and step."""

    optimizer: torch.optim.Optimizer
    calls: int = 0

    def __call__(self, loss: Callable[..., Loss], *args: Any) -> Loss:
        self.calls += 1
        self.optimizer.zero_grad()
        result = loss(*args)
        result.total.backward()
        self.optimizer.step()
        return result


class Steps(dict[str, Step]):
    """`Optimizers`: a generator's and a discriminator's, and the iteration."""

    iteration = 0


def parameters(model: nn.Module, names: Iterable[str]) -> list[Tensor]:
    """Return the parameters of the named parts."""
    return [p for name in names for p in model.get_submodule(name).parameters()]


def adam(model: nn.Module, *, lr: float = 1e-3) -> Steps:
    """Return Adam for a VQGAN, betas as in the paper."""
    generator = parameters(model, ['tokenizer', 'pre_decode', 'decoder'])
    steps = Steps(generator=Step(torch.optim.Adam(generator, lr, (0.5, 0.9))))
    if model.discriminator is not None:
        discriminator = parameters(model, ['discriminator'])
        steps['discriminator'] = Step(torch.optim.Adam(discriminator, lr, (0.5, 0.9)))
    return steps
