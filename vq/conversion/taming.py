"""Checkpoints of taming-transformers' VQModel, EMAVQ and GumbelVQ, in our words.

The code base of VQGAN (https://arxiv.org/abs/2012.09841). It counts the levels of the
decoder from the highest resolution, we from the lowest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from vq.conversion import discriminators, structure
from vq.conversion.autoencoder import (
    ATTENTION,
    CODEBOOK,
    CONNECTORS,
    ENDS,
    RESIDUAL,
    lpips,
)
from vq.conversion.discriminators import patch_depth, patch_rules
from vq.conversion.family import AutoencoderFamily, mirror_obstacles, save
from vq.conversion.rules import Dropped, Rule, Size, Table, nested
from vq.conversion.yaml import dump

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
    *patch_rules(_DISCRIMINATOR),
)
_SIZES = (
    Size('levels', 'decoder.up.{levels-1}.', 'decoder.levels.{levels-1}.'),
    patch_depth(_DISCRIMINATOR),
)
_DROPPED = (
    lpips('loss.perceptual_loss.'),
    Dropped('quantize.used', 'numbers tokens anew; ours count the whole codebook'),
    Dropped('colorize', 'colours of segmentation maps, for pictures in the log only'),
)
VQ = Table((*_NETWORK, CODEBOOK), _SIZES, _DROPPED)
EMA = Table(
    (
        *VQ.rules,
        Rule('quantize.embedding.cluster_size', 'tokenizer.quantizer.counts'),
        Rule('quantize.embedding.embed_avg', 'tokenizer.quantizer.sums'),
    ),
    _SIZES,
    _DROPPED,
)
# What holds which quantizer.
_KINDS = dict(
    VectorQuantizer='VQModel', EMAQuantizer='EMAVQ', GumbelQuantizer='GumbelVQ'
)
GUMBEL = Table(
    (
        *_NETWORK,
        Rule('quantize.embed.weight', 'tokenizer.quantizer.codebook'),
        Rule('quantize.proj.', 'tokenizer.quantizer.proj.'),
    ),
    _SIZES,
    _DROPPED,
)


class Taming(AutoencoderFamily):
    """VQModel, EMAVQ and GumbelVQ of taming-transformers, of any ddconfig."""

    name = 'taming'
    file = 'model.ckpt'
    discriminators = ('patch',)
    quantizers: ClassVar[tuple[str, ...]] = tuple(_KINDS)

    def table(self, weights: Mapping[str, Tensor]) -> Table:
        """Choose by the quantizer."""
        return table(weights)

    def training(self, **options: Any) -> dict[str, Any]:
        """Return the losses of the published configs; beta as published."""
        return dict(
            quantizers=dict(
                VectorQuantizer=dict(legacy_beta=True),
                GumbelQuantizer=dict(kl_weight=1e-8),  # GumbelVQ's default
            ),
            reconstruction_losses=dict(
                l1_loss=dict(type='L1Loss'), lpips_loss=dict(type='LPIPSLoss')
            ),
            adversarial_loss=dict(type='HingeLoss'),
            adversarial_weight=dict(type='AdaptiveWeight', gain=0.8),
        )

    def quantizer_obstacle(self, quantizer: nn.Module) -> str:
        """Hold the quantizers of VQModel, EMAVQ and GumbelVQ."""
        kind = type(quantizer).__name__
        if kind not in self.quantizers:
            return f'{kind} is none of {", ".join(self.quantizers)}'
        if kind == 'GumbelQuantizer':
            return ''
        if quantizer.normalize or quantizer.distance != 'l2':
            return f'{kind} with other distances than the squared one'
        return ''

    def layout_obstacles(
        self, encoder: Mapping[str, Any], decoder: Mapping[str, Any]
    ) -> list[str]:
        """Hold a decoder that is the encoder reversed."""
        keys = ('width', 'width_mults', 'depth', 'attention', 'latent_dim')
        return mirror_obstacles(encoder, decoder, keys=keys)

    def obstacles(self, model: nn.Module) -> list[str]:
        """Name the parts; GumbelVQ is built for one width around its quantizer."""
        found = super().obstacles(model)
        if found:
            return found
        quantizer: Any = model.get_submodule('tokenizer.quantizer')
        if type(quantizer).__name__ != 'GumbelQuantizer':
            return []
        latent_dim = structure.encoder_config(model.state_dict())['latent_dim']
        dims = (latent_dim, quantizer.in_dim, quantizer.dim)
        if len(set(dims)) == 1:
            return []
        return [f'tokenizer.quantizer: not all of one width, but {dims}']

    def write(
        self,
        path: Path,
        weights: Mapping[str, Tensor],
        model: nn.Module,
        *,
        image_size: int,
    ) -> list[Path]:
        """Write {'state_dict': ...}, and its settings beside it."""
        save({'state_dict': dict(weights)}, path)
        beside = path.with_suffix('.yaml')
        config = settings(model.state_dict(), image_size=image_size)
        beside.write_text('\n'.join(dump(config)) + '\n', encoding='utf-8')
        return [path, beside]


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
    marks = {
        'quantize.proj.weight': GUMBEL,
        'tokenizer.quantizer.proj.weight': GUMBEL,
        'quantize.embedding.cluster_size': EMA,
        'tokenizer.quantizer.counts': EMA,
    }
    return next((made for mark, made in marks.items() if mark in weights), VQ)


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


def settings(ours: Mapping[str, Tensor], *, image_size: int) -> dict[str, Any]:
    """Return the settings that taming-transformers builds this network from."""
    encoder = structure.encoder_config(ours)
    codebook = ours[f'{structure.QUANTIZER}codebook']
    kind = _KINDS[structure.quantizer_type(ours)]
    parameters: dict[str, Any] = dict(
        embed_dim=codebook.shape[1],
        n_embed=codebook.shape[0],
        ddconfig=dict(
            double_z=False,
            z_channels=encoder['latent_dim'],
            resolution=image_size,
            in_channels=encoder['in_dim'],
            out_ch=ours['decoder.head.weight'].shape[0],
            ch=encoder['width'],
            ch_mult=list(encoder['width_mults']),
            num_res_blocks=encoder['depth'],
            attn_resolutions=[image_size // 2**i for i in encoder['attention']],
            dropout=0.0,
        ),
        lossconfig=_loss(discriminators.config(ours)),
    )
    if kind == 'GumbelVQ':
        parameters['temperature_scheduler_config'] = dict(
            target='taming.lr_scheduler.LambdaWarmUpCosineScheduler',
            params=dict(
                warm_up_steps=0, max_decay_steps=1, lr_start=1.0, lr_max=1.0, lr_min=1.0
            ),
        )
    return {'model': dict(target=f'taming.models.vqgan.{kind}', params=parameters)}


def _attention(ddconfig: Mapping[str, Any]) -> tuple[int, ...]:
    """Levels of the encoder whose resolution has attention."""
    levels = range(len(ddconfig['ch_mult']))
    sides = [ddconfig['resolution'] // 2**level for level in levels]
    return tuple(i for i in levels if sides[i] in ddconfig['attn_resolutions'])


def _loss(discriminator: Mapping[str, Any] | None) -> dict[str, Any]:
    module = 'taming.modules.losses.vqperceptual'
    if discriminator is None or discriminator.get('norm') not in ('batch', 'act'):
        return dict(target=f'{module}.DummyLoss')
    return dict(
        target=f'{module}.VQLPIPSWithDiscriminator',
        params=dict(
            disc_conditional=False,
            disc_in_channels=discriminator['in_dim'],
            disc_start=0,
            disc_num_layers=discriminator['depth'],
            disc_ndf=discriminator['width'],
            use_actnorm=discriminator['norm'] == 'act',
        ),
    )
