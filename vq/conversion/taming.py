"""Checkpoints of taming-transformers' VQModel, in our words.

The code base of VQGAN (https://arxiv.org/abs/2012.09841).
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

# What a key of the autoencoder turns into; `up` levels are counted the other way.
_RULES = (
    (r'^quantize\.embedding\.weight$', 'tokenizer.quantizer.codebook'),
    (r'^quant_conv\.', 'tokenizer.post_encode.conv.'),
    (r'^post_quant_conv\.', 'pre_decode.conv.'),
    (r'^encoder\.', 'tokenizer.encoder.'),
    (r'\.conv_in\.', '.stem.'),
    (r'\.norm_out\.', '.norm.'),
    (r'\.conv_out\.', '.head.'),
    (r'\.mid\.block_(\d)\.', r'.mid.block\1.'),
    (r'\.mid\.attn_1\.', '.mid.attention.'),
    (r'\.down\.(\d+)\.', r'.levels.\1.'),
    (r'\.block\.(\d+)\.', r'.blocks.\1.'),
    (r'\.attn\.(\d+)\.', r'.attentions.\1.'),
    (r'\.(down|up)sample\.conv\.', '.resample.conv.'),
    (r'\.nin_shortcut\.', '.shortcut.'),
    (r'\.q\.', '.query.'),
    (r'\.k\.', '.key.'),
    (r'\.v\.', '.value.'),
    (r'\.proj_out\.', '.out.'),
)
_PARTS = ('encoder.', 'decoder.', 'quantize.', 'quant_conv.', 'post_quant_conv.')
_DISCRIMINATOR = 'loss.discriminator.main.'
_PERCEPTUAL = 'loss.perceptual_loss.'  # LPIPS: frozen, we read it from its own files


def convert(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a state dict of VQModel to that of our VQGAN.

    Args:
        weights: With or without the keys of the loss.

    Returns:
        Our state dict, and the keys that have no place in it (those of LPIPS).

    Raises:
        KeyError: There are keys that VQModel does not have; they are named.
    """
    ups = [int(found[1]) for key in weights if (found := _up(key))]
    layers = [_layer(key) for key in weights if key.startswith(_DISCRIMINATOR)]
    converted, left_out, unknown = {}, [], []
    for key, weight in weights.items():
        if key.startswith(_PERCEPTUAL):
            left_out.append(key)
        elif key.startswith(_DISCRIMINATOR):
            converted[_discriminator(key, last=max(layers))] = weight
        elif key.startswith(_PARTS):
            converted[_autoencoder(key, levels=max(ups, default=0) + 1)] = weight
        else:
            unknown.append(key)
    if unknown:
        raise KeyError(f'these keys are none of a VQModel: {unknown}')
    return converted, left_out


def encoder_config(ddconfig: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of our encoder for a `ddconfig` of taming-transformers."""
    return dict(
        type='ConvEncoder',
        in_dim=ddconfig['in_channels'],
        width=ddconfig['ch'],
        width_mults=tuple(ddconfig['ch_mult']),
        depth=ddconfig['num_res_blocks'],
        attention=_attention(ddconfig),
        latent_dim=ddconfig['z_channels'],
    )


def decoder_config(ddconfig: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of our decoder for a `ddconfig` of taming-transformers."""
    levels = len(ddconfig['ch_mult'])
    return dict(
        type='ConvDecoder',
        out_dim=ddconfig['out_ch'],
        width=ddconfig['ch'],
        width_mults=tuple(ddconfig['ch_mult'])[::-1],
        depth=ddconfig['num_res_blocks'] + 1,
        attention=tuple(levels - 1 - level for level in _attention(ddconfig)),
        latent_dim=ddconfig['z_channels'],
    )


def _attention(ddconfig: Mapping[str, Any]) -> tuple[int, ...]:
    """Levels of the encoder whose resolution has attention."""
    levels = range(len(ddconfig['ch_mult']))
    sides = [ddconfig['resolution'] // 2**level for level in levels]
    return tuple(i for i in levels if sides[i] in ddconfig['attn_resolutions'])


def _up(key: str) -> re.Match[str] | None:
    return re.match(r'decoder\.up\.(\d+)\.', key)


def _autoencoder(key: str, *, levels: int) -> str:
    if found := _up(key):
        level = levels - 1 - int(found[1])
        key = f'decoder.levels.{level}.{key[found.end() :]}'
    for pattern, replacement in _RULES:
        key = re.sub(pattern, replacement, key)
    return key


def _layer(key: str) -> int:
    return int(key.removeprefix(_DISCRIMINATOR).split('.')[0])


def _discriminator(key: str, *, last: int) -> str:
    """Layers: 0 the stem, then convolution, norm, ReLU in turn from 2 on, the head."""
    layer, name = _layer(key), key.rpartition('.')[2]
    block, place = divmod(layer - 2, 3)
    part = {0: 'stem', last: 'head'}.get(
        layer, f'blocks.{block}.{"conv" if place == 0 else "norm"}'
    )
    return f'discriminator.{part}.{name}'
