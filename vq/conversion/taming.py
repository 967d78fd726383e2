"""Checkpoints of taming-transformers' VQModel, EMAVQ and GumbelVQ, in our words.

The code base of VQGAN (https://arxiv.org/abs/2012.09841). It counts the levels of the
decoder from the highest resolution, we from the lowest.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.conversion.autoencoder import (
    ATTENTION,
    CODEBOOK,
    CONNECTORS,
    ENDS,
    RESIDUAL,
    lpips,
    patch_depth,
    patch_discriminator,
)
from vq.conversion.rules import Dropped, Rule, Size, Table, nested

_DOWN, _LEVEL = 'encoder.down.{level}.', 'tokenizer.encoder.levels.{level}.'
_UP, _UP_LEVEL = 'decoder.up.{levels-1-level}.', 'decoder.levels.{level}.'
_MID = 'tokenizer.encoder.mid.'
_DISCRIMINATOR = 'loss.discriminator.main.'
_NETWORK = (
    *nested('encoder.', 'tokenizer.encoder.', ENDS),
    *nested(f'{_DOWN}block.{{block}}.', f'{_LEVEL}blocks.{{block}}.', RESIDUAL),
    *nested(f'{_DOWN}attn.{{block}}.', f'{_LEVEL}attentions.{{block}}.', ATTENTION),
    *nested(_DOWN, _LEVEL, {'downsample.conv': 'resample.conv'}),
    *nested('encoder.mid.block_{block}.', f'{_MID}block{{block}}.', RESIDUAL),
    *nested('encoder.mid.attn_1.', f'{_MID}attention.', ATTENTION),
    *nested('decoder.', 'decoder.', ENDS),
    *nested(f'{_UP}block.{{block}}.', f'{_UP_LEVEL}blocks.{{block}}.', RESIDUAL),
    *nested(f'{_UP}attn.{{block}}.', f'{_UP_LEVEL}attentions.{{block}}.', ATTENTION),
    *nested(_UP, _UP_LEVEL, {'upsample.conv': 'resample.conv'}),
    *nested('decoder.mid.block_{block}.', 'decoder.mid.block{block}.', RESIDUAL),
    *nested('decoder.mid.attn_1.', 'decoder.mid.attention.', ATTENTION),
    *CONNECTORS,
    *patch_discriminator(_DISCRIMINATOR),
)
_SIZES = (
    Size('levels', 'decoder.up.{levels-1}.', 'decoder.levels.{levels-1}.'),
    patch_depth(_DISCRIMINATOR),
)
_STATISTICS = 'a statistic of training by moving averages; no image depends on it'
_DROPPED = (
    lpips('loss.perceptual_loss.'),
    Dropped('quantize.embedding.cluster_size', _STATISTICS),
    Dropped('quantize.embedding.embed_avg', _STATISTICS),
    Dropped('quantize.used', 'numbers tokens anew; ours count the whole codebook'),
    Dropped('colorize', 'colours of segmentation maps, for pictures in the log only'),
)
VQ = Table((*_NETWORK, CODEBOOK), _SIZES, _DROPPED)
GUMBEL = Table(
    (
        *_NETWORK,
        Rule('quantize.embed.weight', 'tokenizer.quantizer.codebook'),
        Rule('quantize.proj.', 'tokenizer.quantizer.proj.'),
    ),
    _SIZES,
    _DROPPED,
)


def convert(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a state dict of VQModel, EMAVQ or GumbelVQ to that of our VQGAN.

    Args:
        weights: With or without the keys of the loss.

    Returns:
        Our state dict, and the keys that have no place in it (those of LPIPS).

    Raises:
        ConversionError: There are keys that VQModel does not have; they are named.
    """
    renamed = table(weights).to_ours(weights)
    return renamed.weights, list(renamed.dropped)


def table(weights: Mapping[str, Tensor]) -> Table:
    """Return the rules for weights of either side, by their quantizer."""
    marks = ('quantize.proj.weight', 'tokenizer.quantizer.proj.weight')
    return GUMBEL if any(mark in weights for mark in marks) else VQ


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
