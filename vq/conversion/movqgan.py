"""Checkpoints of MoVQGAN's MOVQ, VQModel and GumbelVQ, in our words.

The code of SBER-MoVQGAN (https://github.com/ai-forever/MoVQGAN) after MoVQ
(https://arxiv.org/abs/2209.09002). It grew out of taming-transformers, whose names it
keeps; MOVQ's decoder has three modules where VQModel's has a normalisation.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vq.conversion import taming
from vq.conversion.family import save
from vq.conversion.rules import ConversionError, Dropped, Renamed, Rule, Table, nested
from vq.conversion.taming import Taming
from vq.conversion.yaml import dump
from vq.models.decoders import ConvDecoder, MoVQDecoder

_NORM = {'norm_layer': 'norm', 'conv_y': 'scale', 'conv_b': 'shift'}
_MODULATED = (
    *(
        modulated
        for rule in taming.VQ.rules
        if rule.theirs.startswith('decoder.') and '.norm' in rule.theirs
        for modulated in nested(rule.theirs, rule.ours, _NORM)
    ),
    Rule('post_quant_conv.', 'decoder.connector.'),
)
_MARKS = ('decoder.norm_out.conv_y.weight', 'decoder.connector.weight')
_AVERAGED = ('encoder', 'decoder', 'quantize', 'quant_conv', 'post_quant_conv')
_DROPPED = tuple(
    Dropped(f'ema_{part}.', 'averaged weights; the option ema:True takes them')
    for part in _AVERAGED
)


class MoVQGAN(Taming):
    """MOVQ, VQModel and GumbelVQ of MoVQGAN, of any ddconfig.

    Options: `ema`, True for the averaged weights that a training checkpoint holds
    beside the raw ones. The published loader takes the raw ones.
    """

    name = 'movqgan'
    options = {'ema': False}
    decoders = (MoVQDecoder, ConvDecoder)
    quantizers = ('VectorQuantizer', 'GumbelQuantizer')

    def table(self, weights: Mapping[str, Tensor]) -> Table:
        """Choose by the quantizer and the decoder."""
        base = taming.table(weights)
        modulated = any(mark in weights for mark in _MARKS)
        rules = (*_MODULATED, *base.rules) if modulated else base.rules
        return replace(base, rules=rules, dropped=(*base.dropped, *_DROPPED))

    def to_ours(self, weights: Mapping[str, Tensor], **options: Any) -> Renamed:
        """Rename; with `ema`, the averages in the place of the weights.

        Raises:
            ConversionError: Averages are asked for, and there are none.
        """
        renamed = super().to_ours(weights, **options)
        return _averaged(renamed, weights) if options.get('ema') else renamed

    def training(self, **options: Any) -> dict[str, Any]:
        """Return the losses of configs/movqgan; beta as published."""
        return super().training(**options) | dict(
            reconstruction_losses=dict(
                mse_loss=dict(type='MSELoss'), lpips_loss=dict(type='LPIPSLoss')
            ),
        )

    def layout_obstacles(
        self, encoder: Mapping[str, Any], decoder: Mapping[str, Any]
    ) -> list[str]:
        """Hold a decoder that is the encoder reversed, its stem as wide as a latent."""
        latent_dim = decoder.get('stem_dim', decoder['latent_dim'])
        return super().layout_obstacles(encoder, {**decoder, 'latent_dim': latent_dim})

    def obstacles(self, model: nn.Module) -> list[str]:
        """Name the parts; GumbelVQ has the standard decoder."""
        found = super().obstacles(model)
        if found or not isinstance(model.get_submodule('decoder'), MoVQDecoder):
            return found
        kind = type(model.get_submodule('tokenizer.quantizer')).__name__
        if kind == 'VectorQuantizer':
            return []
        return [f'tokenizer.quantizer: {kind} beside a MoVQDecoder']

    def write(
        self,
        path: Path,
        weights: Mapping[str, Tensor],
        model: nn.Module,
        *,
        image_size: int,
    ) -> list[Path]:
        """Write the bare weights, as published, and the settings beside them."""
        save(dict(weights), path)
        settings = path.with_suffix('.yaml')
        config = taming.settings(model.state_dict(), image_size=image_size)
        content = {'model': _moved(config['model'], weights)}
        settings.write_text('\n'.join(dump(content)) + '\n', encoding='utf-8')
        return [path, settings]


def _averaged(renamed: Renamed, weights: Mapping[str, Tensor]) -> Renamed:
    """Put averages, whose names lack all dots but the first, in the weights' place."""
    taken = {
        ours: average
        for ours, theirs in renamed.mapped.items()
        if (average := _average(theirs)) in weights
    }
    if not taken:
        raise ConversionError(
            'ema:True asks for averaged weights, ema_encoder. ..., and there are none: '
            'leave the option out for the raw ones'
        )
    raw = 'raw weights; their averages were taken, for ema:True'
    dropped = {k: why for k, why in renamed.dropped.items() if k not in taken.values()}
    return Renamed(
        renamed.weights | {ours: weights[key] for ours, key in taken.items()},
        renamed.mapped | taken,
        dropped | {renamed.mapped[ours]: raw for ours in taken},
    )


def _average(key: str) -> str:
    part, _, rest = key.partition('.')
    return f'ema_{part}.{rest.replace(".", "")}'


def _moved(model: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return taming's settings in the names of MoVQGAN's modules."""
    kind = 'MOVQ' if _MARKS[0] in weights else model['target'].rpartition('.')[2]
    parameters = dict(model['params'])
    if kind != 'GumbelVQ':  # it brings its own
        parameters['learning_rate'] = 1e-4
    loss = parameters['lossconfig']
    name = loss['target'].rpartition('.')[2]
    name = 'VQLPIPSWithDiscriminator2' if name.startswith('VQ') else name
    target = f'movqgan.modules.losses.vqperceptual.{name}'
    parameters['lossconfig'] = dict(loss, target=target)
    return dict(target=f'movqgan.models.vqgan.{kind}', params=parameters)
