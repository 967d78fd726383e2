"""Checkpoints of LlamaGen's VQModel, in our words (https://arxiv.org/abs/2406.06525).

Its blocks are those of taming-transformers under other names; it counts the levels of
the decoder as we do, and its codes and latents lie on the unit sphere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vq.conversion.autoencoder import (
    ATTENTION,
    CODEBOOK,
    CONNECTORS,
    ENDS,
    RESIDUAL,
    lpips,
)
from vq.conversion.discriminators import (
    BLUR,
    patch_depth,
    patch_rules,
    stylegan_rules,
)
from vq.conversion.family import AutoencoderFamily, mirror_obstacles, save
from vq.conversion.rules import Dropped, Rule, Table, nested

USED_TOKENS = 65536  # length of its list of recent tokens

_DISCRIMINATOR = 'discriminator.main.'
_KERNELS = 'discriminator.blocks.{block}.downsample.0.f'


def _coder(theirs: str, ours: str, resample: str) -> tuple[Rule, ...]:
    level, our_level = f'{theirs}conv_blocks.{{level}}.', f'{ours}levels.{{level}}.'
    blocks = (f'{level}res.{{block}}.', f'{our_level}blocks.{{block}}.')
    attentions = (f'{level}attn.{{block}}.', f'{our_level}attentions.{{block}}.')
    return (
        *nested(theirs, ours, ENDS),
        *nested(*blocks, RESIDUAL),
        *nested(*attentions, ATTENTION),
        *nested(level, our_level, {f'{resample}.conv': 'resample.conv'}),
        *nested(f'{theirs}mid.0.', f'{ours}mid.block1.', RESIDUAL),
        *nested(f'{theirs}mid.1.', f'{ours}mid.attention.', ATTENTION),
        *nested(f'{theirs}mid.2.', f'{ours}mid.block2.', RESIDUAL),
    )


def _restored(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the constants that their checkpoints hold beside the weights."""
    end = '.downsample.1.weight'
    blurred = [key for key in weights if key.startswith('discriminator.')]
    restored = {
        key.removesuffix(end) + '.downsample.0.f': torch.tensor(BLUR)
        for key in blurred
        if key.endswith(end)
    }
    return {'quantize.codebook_used': torch.zeros(USED_TOKENS), **restored}


_NETWORK = (
    *_coder('encoder.', 'tokenizer.encoder.', 'downsample'),
    *_coder('decoder.', 'decoder.', 'upsample'),
    *CONNECTORS,
    CODEBOOK,
)
_DROPPED = (
    Dropped('quantize.codebook_used', 'the tokens of recent batches, for the log'),
    Dropped(_KERNELS, 'taps of a blur, the same in all: our Blur has them'),
    lpips('perceptual_loss.'),
)
TABLE = Table(
    (*_NETWORK, *patch_rules(_DISCRIMINATOR)),
    (patch_depth(_DISCRIMINATOR),),
    _DROPPED,
    restored=_restored,
)
STYLEGAN = Table(
    (*_NETWORK, *stylegan_rules('discriminator.')), (), _DROPPED, restored=_restored
)


class LlamaGen(AutoencoderFamily):
    """VQ-8 and VQ-16 of LlamaGen, class- or text-conditional.

    Options: `normalize`, False for a network trained without l2-normalised codes.
    """

    name = 'llamagen'
    options = {'normalize': True}
    containers = ('ema', 'model', 'state_dict')
    beside = {'discriminator': 'discriminator.'}
    file = 'model.pt'
    discriminators = ('patch', 'stylegan')

    def table(self, weights: Mapping[str, Tensor]) -> Table:
        """Choose by the discriminator."""
        marks = ('discriminator.final_conv.0.weight', 'discriminator.head.conv.weight')
        return STYLEGAN if any(mark in weights for mark in marks) else TABLE

    def training(self, **options: Any) -> dict[str, Any]:
        """Return the losses of the published training command."""
        return dict(
            quantizers=dict(VectorQuantizer=dict(normalize=options['normalize'])),
            reconstruction_losses=dict(
                mse_loss=dict(type='MSELoss'), lpips_loss=dict(type='LPIPSLoss')
            ),
            adversarial_loss=dict(
                type='HingeLoss', generator_weight=0.5, discriminator_weight=0.5
            ),
            discriminator_start=20_000,
        )

    def quantizer_obstacle(self, quantizer: nn.Module) -> str:
        """Hold a VectorQuantizer, normalised or not."""
        kind = type(quantizer).__name__
        if kind != 'VectorQuantizer':
            return f'{kind} is no VectorQuantizer'
        if quantizer.distance != 'l2' and not quantizer.normalize:
            return "VectorQuantizer with distance='cosine' of codes of any length"
        return ''

    def layout_obstacles(
        self, encoder: Mapping[str, Any], decoder: Mapping[str, Any]
    ) -> list[str]:
        """Hold attention at the lowest resolution alone; widths of either side."""
        lowest = len(encoder['width_mults']) - 1
        found = mirror_obstacles(
            encoder, decoder, keys=('width', 'depth', 'latent_dim')
        )
        if encoder['attention'] != (lowest,):
            found.append(f'tokenizer.encoder: attention {encoder["attention"]}')
        if decoder['attention'] != (0,):
            found.append(f'decoder: attention {decoder["attention"]}')
        return found

    def write(
        self,
        path: Path,
        weights: Mapping[str, Tensor],
        model: nn.Module,
        *,
        image_size: int,
    ) -> list[Path]:
        """Write {'model': ...}, and a discriminator beside it, as in its training."""
        prefix = 'discriminator.'
        beside = {k: v for k, v in weights.items() if k.startswith(prefix)}
        content = {'model': {k: v for k, v in weights.items() if k not in beside}}
        if beside:
            content['discriminator'] = {
                key.removeprefix(prefix): value for key, value in beside.items()
            }
        save(content, path)
        return [path]
