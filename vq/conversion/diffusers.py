"""Folders of diffusers' VQModel, in our words.

A folder holds config.json and the weights. Its attention is made of linear maps, ours
of 1x1 convolutions, which are the same numbers in another shape.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vq.checkpoints.files import write_safetensors
from vq.conversion import structure
from vq.conversion.autoencoder import CODEBOOK, CONNECTORS, RESIDUAL
from vq.conversion.family import (
    AutoencoderFamily,
    Weights,
    mirror_obstacles,
)
from vq.conversion.rules import Rule, Table, nested

SETTINGS = 'config.json'
WEIGHTS = 'diffusion_pytorch_model.safetensors'

_ENDS = {'conv_in': 'stem', 'conv_norm_out': 'norm', 'conv_out': 'head'}
_RESIDUAL = {
    name if other != 'shortcut' else 'conv_shortcut': other
    for name, other in RESIDUAL.items()
}
# As diffusers named them at first; exports use today's names, which come first.
_FIRST = {'query': 'query', 'key': 'key', 'value': 'value', 'proj_attn': 'out'}
_LINEAR = {'to_q': 'query', 'to_k': 'key', 'to_v': 'value', 'to_out.0': 'out'}


def _to_convolution(tensor: Tensor) -> Tensor:
    return rearrange(tensor, 'o i -> o i 1 1') if tensor.ndim == 2 else tensor


def _to_linear(tensor: Tensor) -> Tensor:
    return rearrange(tensor, 'o i 1 1 -> o i') if tensor.ndim == 4 else tensor


def _attention(theirs: str, ours: str) -> tuple[Rule, ...]:
    changes = dict(to_ours=_to_convolution, from_ours=_to_linear)
    return (
        Rule(f'{theirs}group_norm.', f'{ours}norm.'),
        *nested(theirs, ours, _LINEAR, **changes),
        *nested(theirs, ours, _FIRST, **changes),
    )


def _coder(theirs: str, ours: str, way: str) -> tuple[Rule, ...]:
    level, our_level = f'{theirs}{way}_blocks.{{level}}.', f'{ours}levels.{{level}}.'
    blocks = (f'{level}resnets.{{block}}.', f'{our_level}blocks.{{block}}.')
    attentions = (f'{level}attentions.{{block}}.', f'{our_level}attentions.{{block}}.')
    mid = (f'{theirs}mid_block.resnets.{{block-1}}.', f'{ours}mid.block{{block}}.')
    return (
        *nested(theirs, ours, _ENDS),
        *nested(*blocks, _RESIDUAL),
        *_attention(*attentions),
        *nested(level, our_level, {f'{way}samplers.0.conv': 'resample.conv'}),
        *nested(*mid, _RESIDUAL),
        *_attention(f'{theirs}mid_block.attentions.0.', f'{ours}mid.attention.'),
    )


TABLE = Table(
    (
        *_coder('encoder.', 'tokenizer.encoder.', 'down'),
        *_coder('decoder.', 'decoder.', 'up'),
        *CONNECTORS,
        CODEBOOK,
    ),
)


class Diffusers(AutoencoderFamily):
    """VQModel of diffusers with group norms and attention."""

    name = 'diffusers'
    file = 'diffusers'
    norm_groups = None

    def table(self, weights: Weights) -> Table:
        """Return the one table."""
        return TABLE

    def training(self, **options: Any) -> dict[str, Any]:
        """Return nothing: such a folder comes without a training."""
        return {}

    def quantizer_obstacle(self, quantizer: nn.Module) -> str:
        """Hold a VectorQuantizer; codes on the sphere are written with length 1."""
        kind = type(quantizer).__name__
        if kind != 'VectorQuantizer':
            return f'{kind} is no VectorQuantizer'
        if quantizer.distance != 'l2' and not quantizer.normalize:
            return "VectorQuantizer with distance='cosine' of codes of any length"
        return ''

    def layout_obstacles(
        self, encoder: Mapping[str, Any], decoder: Mapping[str, Any]
    ) -> list[str]:
        """Hold a decoder that is the encoder reversed, attention where either likes."""
        keys = ('width', 'width_mults', 'depth', 'latent_dim', 'norm_groups')
        found = mirror_obstacles(encoder, decoder, keys=keys)
        if encoder['width_mults'][0] != 1:
            first = encoder['width_mults'][0]
            found.append(
                f'tokenizer.encoder: width_mults begin with {first}, not with 1'
            )
        return found

    def for_export(
        self, weights: Weights, model: nn.Module
    ) -> tuple[dict[str, Tensor], str]:
        """Normalise the codes of a quantizer on the sphere.

        VQModel knows no sphere. Of codes of length 1 the nearest to a latent is the
        one of the smallest angle, whatever the latent's length, so the tokens agree.
        """
        quantizer = model.get_submodule('tokenizer.quantizer')
        if not getattr(quantizer, 'normalize', False):
            return dict(weights), ''
        key = f'{structure.QUANTIZER}codebook'
        codes = functional.normalize(weights[key].float(), dim=-1)
        note = (
            'codes have length 1 now, for a reader without normalisation; same tokens'
        )
        return {**weights, key: codes}, note

    def write(
        self, path: Path, weights: Weights, model: nn.Module, *, image_size: int
    ) -> list[Path]:
        """Write the folder that `VQModel.from_pretrained` takes."""
        path.mkdir(parents=True, exist_ok=True)
        files = [path / SETTINGS, path / WEIGHTS]
        settings = _settings(model, image_size=image_size)
        files[0].write_text(json.dumps(settings, indent=2) + '\n', encoding='utf-8')
        plain = {key: value.contiguous() for key, value in weights.items()}
        write_safetensors(files[1], plain)
        return files


def _settings(model: nn.Module, *, image_size: int) -> dict[str, Any]:
    """Return what VQModel is built from."""
    ours = model.state_dict()
    encoder = structure.encoder_config(ours)
    decoder = structure.decoder_config(ours, width=encoder['width'])
    codebook_size, dim = ours[f'{structure.QUANTIZER}codebook'].shape
    groups: Any = model.get_submodule('tokenizer.encoder.norm').num_groups
    levels = range(len(encoder['width_mults']))
    return {
        '_class_name': 'VQModel',
        'in_channels': encoder['in_dim'],
        'out_channels': decoder['out_dim'],
        'down_block_types': [
            'AttnDownEncoderBlock2D'
            if i in encoder['attention']
            else 'DownEncoderBlock2D'
            for i in levels
        ],
        'up_block_types': [
            'AttnUpDecoderBlock2D' if i in decoder['attention'] else 'UpDecoderBlock2D'
            for i in levels
        ],
        'block_out_channels': structure.level_dims(ours, structure.ENCODER),
        'layers_per_block': encoder['depth'],
        'act_fn': 'silu',
        'latent_channels': encoder['latent_dim'],
        'sample_size': image_size,
        'num_vq_embeddings': codebook_size,
        'vq_embed_dim': dim,
        'norm_num_groups': groups,
        'norm_type': 'group',
        'mid_block_add_attention': True,
        'scaling_factor': 1.0,
    }
