"""Folders of transformers' LlamaForCausalLM and GPT2LMHeadModel, in our words.

A folder's vocabulary are the rows of our embedding: codes, classes, 'no class'. Its
config.json says under `vq` how many of them are classes, and how the tokens lie.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vq.conversion import folders, structure
from vq.conversion.family import Weights
from vq.conversion.folders import LM_HEAD, POSITIONS, SETTINGS
from vq.conversion.proposals import (
    BLOCK,
    EMBEDDING,
    HEAD,
    ProposalFamily,
    chunked,
    joined,
    normalises,
    transformer_of,
)
from vq.conversion.rules import ConversionError, Dropped, Rule, Table, nested
from vq.models.transformers import GPT2, Llama, TokenHead, TokenTransformer
from vq.models.transformers.gpt2 import NAMES as GPT2_NAMES
from vq.models.transformers.llama import BASE, NORM_EPS

LAYOUTS = ('codes_first', 'classes_first')
TABLES = dict(llama='model.embed_tokens.weight', gpt2='transformer.wte.weight')

_PIECES = {'attention.qkv': 3, 'mlp.gate_up': 2}
_LLAMA_NAMES = {
    'self_attn.q_proj': 'attention.qkv.0',
    'self_attn.k_proj': 'attention.qkv.1',
    'self_attn.v_proj': 'attention.qkv.2',
    'self_attn.o_proj': 'attention.out',
    'mlp.gate_proj': 'mlp.gate_up.0',
    'mlp.up_proj': 'mlp.gate_up.1',
    'mlp.down_proj': 'mlp.down',
    'input_layernorm': 'norm1',
    'post_attention_layernorm': 'norm2',
}


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.T if tensor.ndim > 1 else tensor


LLAMA_RULES = Table(
    (
        Rule(TABLES['llama'], EMBEDDING),
        *nested('model.layers.{block}.', BLOCK, _LLAMA_NAMES, leaves=('weight',)),
        Rule('model.norm.weight', 'transformer.body.norm.weight'),
        Rule(LM_HEAD, HEAD),
    ),
    dropped=(
        Dropped(
            'model.layers.{block}.self_attn.rotary_emb.inv_freq',
            'the angles of rotary positions, which are computed',
        ),
    ),
)
GPT2_RULES = Table(
    (
        Rule(TABLES['gpt2'], EMBEDDING),
        Rule(POSITIONS, 'transformer.body.positions.weight'),
        *nested(
            'transformer.h.{block}.',
            BLOCK,
            GPT2_NAMES,
            to_ours=_transposed,
            from_ours=_transposed,
        ),
        Rule('transformer.ln_f.', 'transformer.body.norm.'),
        Rule(LM_HEAD, HEAD),
    ),
    dropped=(
        Dropped('transformer.h.{block}.attn.bias', 'the causal mask'),
        Dropped('transformer.h.{block}.attn.masked_bias', 'a constant of the mask'),
    ),
)


class Transformers(ProposalFamily):
    """LlamaForCausalLM and GPT2LMHeadModel over tokens, position by position in a row.

    Options, for folders that we did not write: `classes`, how many there are; `grid`,
    rows and columns of tokens; `layout`, whether 'codes_first' or 'classes_first' in
    the vocabulary; `null`, whether an id for 'no class' follows the classes. `heads`,
    `base` and `eps` are in config.json.
    """

    name = 'transformers'
    options = {
        'classes': -1,
        'grid': (0, 0),
        'layout': LAYOUTS[0],
        'null': True,
        'heads': 0,
        'base': BASE,
        'eps': NORM_EPS,
    }
    file = 'transformers'

    def table(self, weights: Weights) -> Table:
        """Choose by the names."""
        gpt2 = any(key in weights for key in (POSITIONS, 'transformer.body.norm.bias'))
        return GPT2_RULES if gpt2 else LLAMA_RULES

    def told(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Read what no weight tells; see `folders.told`."""
        return folders.told(settings) if settings else {}

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Also refuse a layout that is none."""
        every = super().checked(options)
        if every['layout'] not in LAYOUTS:
            raise ConversionError(
                f'{self.name}: layout is one of {LAYOUTS}, got {every["layout"]!r}'
            )
        return every

    def tied(self, weights: Weights) -> bool:
        """See whether there is a head."""
        return LM_HEAD not in weights

    def vocabulary(self, weights: Weights, **options: Any) -> tuple[int, int]:
        """Count the rows; what is no class is a code."""
        (key,) = [key for key in TABLES.values() if key in weights] or ['']
        rows, classes = structure.shape(weights, key)[0], options['classes']
        return rows - classes - 1, classes

    def sizes(self, weights: Weights, **options: Any) -> dict[str, Any]:
        """Read the sizes off the shapes, and take the rest from the options."""
        common = dict(heads=options['heads'], grid=options['grid'])
        if self.table(weights) is GPT2_RULES:
            shape = structure.shape(weights, 'transformer.h.0.mlp.c_fc.weight')
            depth = structure.count(weights, 'transformer.h.')
            dim, mlp_dim = shape
            ratio = mlp_dim / dim
            if int(ratio * dim) < mlp_dim:  # what GPT2 makes of it
                ratio = math.nextafter(ratio, math.inf)
            return dict(type='GPT2', dim=dim, depth=depth, mlp_ratio=ratio, **common)
        mlp_dim, dim = structure.shape(weights, 'model.layers.0.mlp.up_proj.weight')
        depth = structure.count(weights, 'model.layers.')
        more = {key: options[key] for key in ('base', 'eps')}
        return dict(
            type='Llama', dim=dim, depth=depth, mlp_dim=mlp_dim, **common, **more
        )

    def ordered(self, weights: Weights, **options: Any) -> dict[str, Tensor]:
        """Put codes before classes, and leave out rows that nothing looks at."""
        self._check_told(options)
        ordered = dict(weights)
        height, width = options['grid']
        classes = options['classes'] + options['null']
        classes_first = options['layout'] == LAYOUTS[1]
        for key in (*TABLES.values(), LM_HEAD):
            if key not in weights:
                continue
            rows = weights[key]
            codes = len(rows) - classes
            if codes < 1:
                raise ConversionError(
                    f'{key} has {len(rows)} rows, which leaves no codes beside '
                    f'{classes} classes: pass --options classes:NUMBER'
                )
            if classes_first:
                rows = torch.cat([rows[classes:], rows[:classes]])
            if not options['null']:
                rows = torch.cat([rows, torch.zeros_like(rows[:1])])
            ordered[key] = rows[:codes] if key == LM_HEAD else rows
        if POSITIONS in weights:
            ordered[POSITIONS] = weights[POSITIONS][: height * width]
        return ordered

    def _check_told(self, options: Mapping[str, Any]) -> None:
        """Ask for what neither weights nor config.json say."""
        ways = {
            'classes': 'classes:1000',
            'grid': '"grid:(16, 16)"',
            'heads': 'heads:16',
        }
        asked = [ways[key] for key in ways if options[key] == self.options[key]]
        if asked:
            raise ConversionError(
                f'neither the weights nor {SETTINGS} tell everything: pass '
                f'--options {" ".join(asked)}, with your numbers'
            )

    def together(self, weights: Weights, network: TokenTransformer) -> Weights:
        """Join queries, keys and values, and the two inner maps of Llama's MLPs."""
        for name in self._pieces(network):
            weights = joined(weights, name)
        return weights

    def for_export(
        self, weights: Weights, model: nn.Module
    ) -> tuple[dict[str, Tensor], str]:
        """Take them apart."""
        pieces = dict(weights)
        for name, number in self._pieces(transformer_of(model)).items():
            pieces = chunked(pieces, name, number)
        return pieces, ''

    def _pieces(self, network: TokenTransformer) -> dict[str, int]:
        return _PIECES if isinstance(network.body, Llama) else {}

    def body_obstacles(self, network: TokenTransformer) -> list[str]:
        """Hold Llama with positions in a row, and GPT-2."""
        body = network.body
        found = []
        if not isinstance(body, Llama | GPT2):
            found.append(f'transformer.body: {type(body).__name__} is none of theirs')
        if getattr(body, 'positions', None) == 'grid':
            found.append(
                "transformer.body: positions='grid'; theirs are counted in a row"
            )
        if normalises(body):
            found.append('transformer.body: qk_norm, which theirs do not have')
        if not isinstance(network.head, TokenHead | None):
            found.append(f'transformer.head: {type(network.head).__name__}')
        return found

    def write(
        self, path: Path, weights: Weights, model: nn.Module, *, image_size: int
    ) -> list[Path]:
        """Write the folder that `from_pretrained` takes."""
        return folders.write(path, weights, transformer_of(model))
