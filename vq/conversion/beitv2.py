"""Checkpoints of BEiT v2's tokenizer, VQ-KD, in our words (https://arxiv.org/abs/2208.06366)."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vq import paths
from vq.config import load
from vq.conversion import structure
from vq.conversion.autoencoder import CODEBOOK
from vq.conversion.family import Family, save
from vq.conversion.rules import Dropped, Renamed, Rule, Table, nested

HEAD_DIM = 64  # channels of a head in all published networks; no shape tells it
# By the width of the features. Two teachers were published.
TEACHERS = {512: 'clip', 768: 'dino'}

_BLOCK = {
    'norm1': 'norm1',
    'attn.proj': 'attention.out',
    'norm2': 'norm2',
    'mlp.fc1': 'mlp.fc1',
    'mlp.fc2': 'mlp.fc2',
}
_ATTENTION = {
    'qkv.weight': 'qkv.weight',
    'q_bias': 'query_bias',
    'v_bias': 'value_bias',
}


def _network(theirs: str, head: str, ours: str) -> tuple[Rule, ...]:
    """Return the rules of a transformer and its task layer, given prefixes."""
    trunk = f'{ours}trunk.'
    block, our_block = f'{theirs}blocks.{{block}}.', f'{trunk}blocks.{{block}}.'
    return (
        *nested(theirs, trunk, {'patch_embed.proj': 'stem', 'fc_norm': 'norm'}),
        Rule(f'{theirs}cls_token', f'{trunk}class_token'),
        Rule(f'{theirs}pos_embed', f'{trunk}positions'),
        *nested(block, our_block, _BLOCK),
        *(
            Rule(f'{block}attn.{name}', f'{our_block}attention.{other}')
            for name, other in _ATTENTION.items()
        ),
        *nested(head, f'{ours}head.', {'0': '0', '2': '2'}),
    )


def _restored(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what their checkpoints hold beside the weights, as it begins there."""
    codebook = weights['quantize.embedding.weight']
    begun = weights.get('quantize.embedding.initted', torch.ones(1))
    return {
        'quantize.embedding.initted': begun,
        'quantize.embedding.cluster_size': torch.zeros(len(codebook)),
        'quantize.embedding.embed_avg': codebook.clone(),
    }


_UNUSED = 'takes no part in their moving averages'
TABLE = Table(
    (
        *_network('encoder.', 'encode_task_layer.', 'tokenizer.encoder.'),
        *_network('decoder.', 'decode_task_layer.', 'decoder.'),
        CODEBOOK,
        Rule('quantize.cluster_size', 'tokenizer.quantizer.counts'),
        Rule(
            'quantize.embedding.initted',
            'tokenizer.quantizer.initialized',
            to_ours=lambda begun: begun.bool().reshape(()),
            from_ours=lambda begun: begun.float().reshape(1),
        ),
    ),
    dropped=(
        Dropped('quantize.embedding.cluster_size', _UNUSED),
        Dropped('quantize.embedding.embed_avg', _UNUSED),
        Dropped('scaling_layer.', 'the pixels of the teacher: ours knows its own'),
        Dropped(
            'teacher_model.', 'the teacher is frozen: it is read from its own file'
        ),
    ),
    restored=_restored,
)


class BEiTv2(Family):
    """VQ-KD of BEiT v2, any depth.

    Options: `with_decoder`, True to keep what tells the teacher's features.
    """

    name = 'beitv2'
    options = {'with_decoder': False}
    containers = ('model', 'state_dict')
    file = 'vqkd.pth'

    def to_ours(self, weights: Mapping[str, Tensor], **options: Any) -> Renamed:
        """Rename, leave the decoder out unless it is asked for, and check the rest."""
        with_decoder = self.checked(options)['with_decoder']
        renamed = TABLE.to_ours(weights)
        if with_decoder:
            structure.check_whole(renamed.weights, vqkd_config(renamed.weights))
            return renamed
        renamed = _without_decoder(renamed)
        inner = {k.removeprefix('tokenizer.'): v for k, v in renamed.weights.items()}
        structure.check_whole(inner, tokenizer_config(renamed.weights))
        return renamed

    def from_ours(self, weights: Mapping[str, Tensor]) -> Renamed:
        """Rename; statistics that ours lacks are those of an untrained codebook."""
        return TABLE.from_ours(weights)

    def model_config(
        self,
        weights: Mapping[str, Tensor],
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any] | None:
        """Return the config of a VQKD; None without a decoder: it is a part of one."""
        del settings
        if not self.checked(options)['with_decoder']:
            return None
        config = vqkd_config(TABLE.to_ours(weights).weights)
        teacher = TEACHERS.get(config['decoder']['out_dim'])
        if teacher is None:
            return config
        shipped = load(paths.ROOT / f'configs/vqkd/{teacher}_8192_imagenet_ddp.py')
        return config | dict(teacher=shipped.trainer.model.teacher.to_dict())

    def obstacles(self, model: nn.Module) -> list[str]:
        """Name the parts that have no place in the format."""
        if type(model).__name__ != 'VQKD':
            return [f'model: {type(model).__name__} is no VQKD']
        kinds = {
            'tokenizer.encoder': 'ViTEncoder',
            'tokenizer.post_encode': 'Identity',
            'tokenizer.quantizer': 'NormEMAQuantizer',
            'decoder': 'ViTDecoder',
        }
        found = [
            f'{name}: {type(part).__name__} is no {kind}'
            for name, kind in kinds.items()
            if type(part := model.get_submodule(name)).__name__ != kind
        ]
        decoder: Any = model.get_submodule('decoder')
        if not found and decoder.upscale != 1:
            found.append(f'decoder: out_patch {decoder.upscale}, not 1')
        return found

    def write(
        self,
        path: Path,
        weights: Mapping[str, Tensor],
        model: nn.Module,
        *,
        image_size: int,
    ) -> list[Path]:
        """Write {'model': ...}."""
        save({'model': dict(weights)}, path)
        return [path]


def vqkd_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the VQKD, without a teacher, that has these weights.

    Raises:
        ConversionError: Weights are missing.
    """
    trunk = _trunk_config(weights, 'decoder.')
    del trunk['patch']
    return dict(
        type='VQKD',
        tokenizer=tokenizer_config(weights),
        decoder=dict(
            type='ViTDecoder',
            out_dim=structure.shape(weights, 'decoder.head.2.weight')[0],
            latent_dim=trunk.pop('in_dim'),
            **trunk,
        ),
        teacher=None,
    )


def tokenizer_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the tokenizer that has these weights; raises likewise."""
    codebook = structure.shape(weights, f'{structure.QUANTIZER}codebook')
    trunk = _trunk_config(weights, structure.ENCODER)
    return dict(
        type='ImageTokenizer',
        encoder=dict(
            type='ViTEncoder',
            image_size=trunk.pop('grid') * trunk['patch'],
            latent_dim=structure.shape(weights, f'{structure.ENCODER}head.2.weight')[0],
            **trunk,
        ),
        post_encode=dict(type='Identity'),
        quantizer=dict(
            type='NormEMAQuantizer', codebook_size=codebook[0], dim=codebook[1]
        ),
    )


def _trunk_config(weights: Mapping[str, Tensor], part: str) -> dict[str, Any]:
    width, in_dim, patch, _ = structure.shape(weights, f'{part}trunk.stem.weight')
    places = structure.shape(weights, f'{part}trunk.positions')[1] - 1
    return dict(
        in_dim=in_dim,
        patch=patch,
        grid=math.isqrt(places),
        width=width,
        depth=structure.count(weights, f'{part}trunk.blocks.'),
        heads=_heads(width),
        mlp_ratio=structure.shape(weights, f'{part}trunk.blocks.0.mlp.fc1.weight')[0]
        / width,
    )


def _heads(width: int) -> int:
    most = max(1, width // HEAD_DIM)
    return next(number for number in range(most, 0, -1) if width % number == 0)


def _without_decoder(renamed: Renamed) -> Renamed:
    reason = 'the decoder, which no token needs; --options with_decoder:True keeps it'
    decoder = [key for key in renamed.weights if key.startswith(structure.DECODER)]
    left_out = {renamed.mapped[key]: reason for key in decoder}
    return replace(
        renamed,
        weights={k: v for k, v in renamed.weights.items() if k not in decoder},
        mapped={k: v for k, v in renamed.mapped.items() if k not in decoder},
        dropped=renamed.dropped | left_out,
    )
