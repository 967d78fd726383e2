"""Numbers of the published code: a case, and the network that it describes."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from vq.conversion import taming
from vq.models import VQGAN
from vq.registry import MODELS


@dataclass
class Case:
    """One folder of golden data."""

    path: Path

    def __post_init__(self) -> None:
        self.json = json.loads((self.path / 'case.json').read_text())
        self.config = self.json['config']
        self.weights = load_file(self.path / 'weights.safetensors')
        tensors = load_file(self.path / 'io.safetensors')
        self.inputs = under(tensors, 'in/')
        self.outputs = under(tensors, 'out/')


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors below `prefix`, which is taken off their names."""
    found = {k: v for k, v in tensors.items() if k.startswith(prefix)}
    return {key.removeprefix(prefix): value for key, value in found.items()}


def images(image: Tensor) -> Any:
    """Return what a model takes for a batch: golden images are no uint8 pictures."""
    return SimpleNamespace(image=image)


def close(actual: Tensor, expected: Tensor, relative: float, absolute: float) -> None:
    """Compare with a tolerance that is relative to the largest entry."""
    scale = float(expected.abs().max()) if expected.numel() else 0.0
    tolerance = max(absolute, relative * scale)
    expected = expected.to(actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def close_values(actual: Tensor, expected: Tensor) -> None:
    """Compare activations and losses of float32 runs."""
    close(actual, expected, 1e-4, 1e-4)


def close_gradients(actual: Tensor, expected: Tensor) -> None:
    """Compare gradients of float32 runs."""
    close(actual, expected, 1e-3, 1e-6)


def taming_vqgan(case: Case, *, loss: str | None = None, **changes: Any) -> VQGAN:
    """Build the VQModel of a case, with its weights.

    Args:
        case: Its `config` holds ddconfig, n_embed, embed_dim and loss.
        loss: The adversarial loss, 'hinge' or 'vanilla'; by default the case's.
        changes: Further arguments of VQGAN.
    """
    config = case.config
    ddconfig, of_loss = config['ddconfig'], config['loss']
    latent_dim, dim = ddconfig['z_channels'], config['embed_dim']
    adversarial = {'hinge': 'HingeLoss', 'vanilla': 'VanillaLoss'}
    model: VQGAN = MODELS.build(
        {
            'type': 'VQGAN',
            'tokenizer': {
                'type': 'ImageTokenizer',
                'encoder': taming.encoder_config(ddconfig),
                'post_encode': connector(latent_dim, dim),
                'quantizer': {
                    'type': 'VectorQuantizer',
                    'codebook_size': config['n_embed'],
                    'dim': dim,
                    'codebook_weight': of_loss['codebook_weight'],
                    'commitment_weight': of_loss['codebook_weight'] * 0.25,
                    'legacy_beta': True,
                },
            },
            'pre_decode': connector(dim, latent_dim),
            'decoder': taming.decoder_config(ddconfig),
            'discriminator': {
                'type': 'PatchDiscriminator',
                'depth': of_loss['disc_num_layers'],
                'width': of_loss['disc_ndf'],
                'in_dim': of_loss['disc_in_channels'],
                'norm': 'act' if of_loss.get('use_actnorm') else 'batch',
            },
            'reconstruction_losses': {'l1_loss': {'type': 'L1Loss'}},
            'adversarial_loss': {'type': adversarial[loss or of_loss['disc_loss']]},
            'adversarial_weight': {
                'type': 'AdaptiveWeight',
                'gain': of_loss['disc_weight'],
            },
            **changes,
        }
    )
    weights, left_out = taming.convert(case.weights)
    assert not left_out
    model.load_state_dict(weights)
    return model


def connector(in_dim: int, out_dim: int) -> dict[str, Any]:
    """Return the config of a 1x1 convolution."""
    return {'type': 'Connector', 'in_dim': in_dim, 'out_dim': out_dim}
