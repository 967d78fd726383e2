"""What a state dict of ours says about its network: a config from names and shapes."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vq.conversion import discriminators
from vq.conversion.rules import ConversionError, listed
from vq.models.norms import NORM_GROUPS
from vq.registry import MODELS

Weights = Mapping[str, Tensor]
ENCODER = 'tokenizer.encoder.'
DECODER = 'decoder.'
QUANTIZER = 'tokenizer.quantizer.'


def vqgan_config(
    weights: Weights,
    *,
    norm_groups: int = NORM_GROUPS,
    quantizers: Mapping[str, Mapping[str, Any]] | None = None,
    **training: Any,
) -> dict[str, Any]:
    """Return the config of the VQGAN that has these weights.

    Args:
        weights: By our names.
        norm_groups: Groups of the normalisations, which no shape tells.
        quantizers: Arguments that no shape tells, by the quantizer's class.
        training: Arguments of VQGAN that only training needs. Those of a discriminator
            are left out where the weights have none.

    Raises:
        ConversionError: Weights are missing, or widths are no multiples of the first.
    """
    encoder = encoder_config(weights, norm_groups=norm_groups)
    decoder = decoder_config(weights, width=encoder['width'], norm_groups=norm_groups)
    config = dict(
        type='VQGAN',
        tokenizer=dict(
            type='ImageTokenizer',
            encoder=encoder,
            post_encode=_connector(weights, 'tokenizer.post_encode.'),
            quantizer=_quantizer_config(weights)
            | dict((quantizers or {}).get(quantizer_type(weights), {})),
        ),
        pre_decode=_pre_decode(weights),
        decoder=decoder,
        reconstruction_losses=training.pop('reconstruction_losses', {}),
        discriminator=discriminators.config(weights),
    )
    return config | (training if config['discriminator'] else {})


def encoder_config(
    weights: Weights, *, norm_groups: int = NORM_GROUPS
) -> dict[str, Any]:
    """Return the config of the ConvEncoder that has these weights."""
    width, in_dim = shape(weights, f'{ENCODER}stem.weight')[:2]
    dims = level_dims(weights, ENCODER)
    return dict(
        type='ConvEncoder',
        in_dim=in_dim,
        width=width,
        width_mults=_multiples(dims, width),
        **_levels(weights, ENCODER),
        latent_dim=shape(weights, f'{ENCODER}head.weight')[0],
        norm_groups=norm_groups,
    )


def decoder_config(
    weights: Weights, *, width: int, norm_groups: int = NORM_GROUPS
) -> dict[str, Any]:
    """Return the config of the ConvDecoder or MoVQDecoder that has these weights.

    Args:
        weights: By our names.
        width: The encoder's, which is the decoder's too where its widths allow it.
        norm_groups: Groups of the normalisations.
    """
    dims = level_dims(weights, DECODER)
    if any(dim % width for dim in dims):
        width = math.gcd(*dims)
    stem_dim = shape(weights, f'{DECODER}stem.weight')[1]
    kind: dict[str, Any] = dict(type='ConvDecoder', latent_dim=stem_dim)
    if modulated(weights):
        latent_dim = shape(weights, f'{DECODER}connector.weight')[1]
        kind = dict(type='MoVQDecoder', latent_dim=latent_dim, stem_dim=stem_dim)
    return dict(
        **kind,
        out_dim=shape(weights, f'{DECODER}head.weight')[0],
        width=width,
        width_mults=_multiples(dims, width),
        **_levels(weights, DECODER),
        norm_groups=norm_groups,
    )


def modulated(weights: Iterable[str]) -> bool:
    """Tell whether the decoder is a MoVQDecoder, by our names of its weights."""
    return f'{DECODER}connector.weight' in weights


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build a model on the meta device: names and shapes without memory."""
    with torch.device('meta'):
        model: nn.Module = MODELS.build(config)
    return model


def without_losses(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's config without what has no weights of ours: losses, teacher."""
    without: dict[str, Any] = {'reconstruction_losses': {}, 'teacher': None}
    return {**model, **{key: without[key] for key in without if key in model}}


def check_whole(weights: Weights, config: Mapping[str, Any]) -> None:
    """Check that weights are exactly those of the network of a config.

    Raises:
        ConversionError: Some are missing, too many, or of another shape; all are named.
    """
    check_same(weights, build(without_losses(config)).state_dict())


def check_same(weights: Weights, own: Weights) -> None:
    """Check that weights have the names and shapes of others, those of a network.

    Raises:
        ConversionError: Some are missing, too many, or of another shape; all are named.
    """
    found = {
        'missing': [key for key in own if key not in weights],
        'too many': [key for key in weights if key not in own],
        'of another shape': [
            f'{key} {tuple(weights[key].shape)} for {tuple(value.shape)}'
            for key, value in own.items()
            if key in weights and weights[key].shape != value.shape
        ],
    }
    wrong = [f'{kind}: {listed(keys)}' for kind, keys in found.items() if keys]
    if wrong:
        raise ConversionError('the weights are no whole network; ' + '; '.join(wrong))


def shape(weights: Weights, key: str) -> tuple[int, ...]:
    """Return the shape of a weight.

    Raises:
        ConversionError: It is missing.
    """
    if key not in weights:
        raise ConversionError(f'the weights are no whole network; missing: {key}')
    return tuple(weights[key].shape)


def count(weights: Iterable[str], prefix: str) -> int:
    """Return one more than the highest number that follows a prefix, or 0."""
    pattern = re.compile(re.escape(prefix) + r'(\d+)\.')
    return max(
        (int(m[1]) + 1 for key in weights if (m := pattern.match(key))), default=0
    )


def level_dims(weights: Weights, part: str) -> list[int]:
    """Return the channels of each level of an encoder or decoder, as it counts them."""
    return [
        shape(weights, f'{part}levels.{level}.blocks.0.conv2.weight')[0]
        for level in range(count(weights, f'{part}levels.'))
    ]


def _levels(weights: Weights, part: str) -> dict[str, Any]:
    levels = range(count(weights, f'{part}levels.'))
    return dict(
        depth=max(count(weights, f'{part}levels.{level}.blocks.') for level in levels),
        attention=tuple(
            level
            for level in levels
            if count(weights, f'{part}levels.{level}.attentions.')
        ),
        refine=any(key.startswith(f'{part}mid.') for key in weights),
    )


def _multiples(dims: list[int], width: int) -> tuple[int, ...]:
    if not dims or any(dim % width for dim in dims):
        raise ConversionError(
            f'our levels are whole multiples of the first, {width}; these are {dims}'
        )
    return tuple(dim // width for dim in dims)


def _pre_decode(weights: Weights) -> dict[str, Any]:
    if modulated(weights):  # its connector is within
        return dict(type='Identity')
    return _connector(weights, 'pre_decode.')


def _connector(weights: Weights, part: str) -> dict[str, Any]:
    out_dim, in_dim = shape(weights, f'{part}conv.weight')[:2]
    return dict(type='Connector', in_dim=in_dim, out_dim=out_dim)


def quantizer_type(weights: Weights) -> str:
    """Return the class of the quantizer that has these weights."""
    kinds = {'proj.weight': 'GumbelQuantizer', 'counts': 'EMAQuantizer'}
    found = (kind for key, kind in kinds.items() if f'{QUANTIZER}{key}' in weights)
    return next(found, 'VectorQuantizer')


def _quantizer_config(weights: Weights) -> dict[str, Any]:
    codebook_size, dim = shape(weights, f'{QUANTIZER}codebook')
    kind = quantizer_type(weights)
    config = dict(type=kind, codebook_size=codebook_size, dim=dim)
    if kind == 'GumbelQuantizer':
        config['in_dim'] = shape(weights, f'{QUANTIZER}proj.weight')[1]
    return config
