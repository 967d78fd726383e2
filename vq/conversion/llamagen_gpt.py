"""Checkpoints of LlamaGen's class-conditional GPT (https://arxiv.org/abs/2406.06525).

Its rotary positions turn neighbouring channels 2 i and 2 i + 1 of a head, ours i and
i + d / 2, as transformers does: the rows of queries and keys are put in another order.
"""

from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from vq.conversion import structure
from vq.conversion.family import Weights, save
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
from vq.conversion.rules import ConversionError, Rule, Table, nested
from vq.models.transformers import Llama, TokenHead, TokenTransformer
from vq.models.transformers.llama import BASE, NORM_EPS

# Heads of the published sizes B, L, XL, XXL and 3B, by their width: no weight tells.
HEADS = {768: 12, 1024: 16, 1280: 20, 1536: 24, 3200: 32}
QKV = '.attention.qkv.weight'
CODES = 'transformer.embedding.codes.weight'
CLASSES = 'transformer.embedding.classes.weight'

_NAMES = {
    'attention.wqkv': 'attention.qkv',
    'attention.wo': 'attention.out',
    'feed_forward.w1': 'mlp.gate_up.0',
    'feed_forward.w3': 'mlp.gate_up.1',
    'feed_forward.w2': 'mlp.down',
    'attention_norm': 'norm1',
    'ffn_norm': 'norm2',
}
TABLE = Table(
    (
        Rule('tok_embeddings.weight', CODES),
        Rule('cls_embedding.embedding_table.weight', CLASSES),
        *nested('layers.{block}.', BLOCK, _NAMES, leaves=('weight',)),
        Rule('norm.weight', 'transformer.body.norm.weight'),
        Rule('output.weight', HEAD),
    )
)


class LlamaGenGPT(ProposalFamily):
    """GPT-B to GPT-3B of LlamaGen, class-conditional.

    Options: `grid`, rows and columns of tokens, which no weight tells: (24, 24) for the
    files of 384 px. `heads`, for a width that is not published.
    """

    name = 'llamagen_gpt'
    options = {'grid': (16, 16), 'heads': 0}
    containers = ('model', 'module', 'state_dict')
    file = 'model.pt'

    def table(self, weights: Weights) -> Table:
        """Return the one table."""
        return TABLE

    def vocabulary(self, weights: Weights, **options: Any) -> tuple[int, int]:
        """Count the rows of the two embeddings, of which one is 'no class'."""
        del options
        codes = structure.shape(weights, 'tok_embeddings.weight')[0]
        rows = structure.shape(weights, 'cls_embedding.embedding_table.weight')[0]
        return codes, rows - 1

    def sizes(self, weights: Weights, **options: Any) -> dict[str, Any]:
        """Read the sizes off the shapes."""
        mlp_dim, dim = structure.shape(weights, 'layers.0.feed_forward.w1.weight')
        heads = options['heads'] or HEADS.get(dim)
        if heads is None:
            raise ConversionError(
                f'a width of {dim} is not published, and no weight tells the number of '
                'heads: pass --options heads:NUMBER'
            )
        return dict(
            type='Llama',
            dim=dim,
            depth=structure.count(weights, 'layers.'),
            heads=heads,
            grid=options['grid'],
            positions='grid',
            mlp_dim=mlp_dim,
        )

    def together(self, weights: Weights, network: TokenTransformer) -> Weights:
        """Put channels that turn together a half of their head apart."""
        weights = joined(weights, 'mlp.gate_up')
        rows = [weights.pop(CODES), weights.pop(CLASSES)]
        pairs = '(m d two) i -> (m two d) i'
        turned = _turned(weights, network, pairs)
        return {EMBEDDING: torch.cat(rows), **turned}

    def for_export(
        self, weights: Weights, model: nn.Module
    ) -> tuple[dict[str, Tensor], str]:
        """Put channels that turn together side by side; take apart what is joined."""
        network = transformer_of(model)
        weights = chunked(weights, 'mlp.gate_up', 2)
        rows = weights.pop(EMBEDDING)
        halves = '(m two d) i -> (m d two) i'
        turned = _turned(weights, network, halves)
        codes, classes = rows[: network.codes], rows[network.codes :]
        return {CODES: codes, CLASSES: classes, **turned}, ''

    def body_obstacles(self, network: TokenTransformer) -> list[str]:
        """Hold a Llama as LlamaGen builds it."""
        body = network.body
        if not isinstance(body, Llama):
            return [f'transformer.body: {type(body).__name__} is no Llama']
        found = []
        if body.positions != 'grid':
            found.append(f"positions={body.positions!r}; LlamaGen's are 'grid'")
        if body.grid[0] != body.grid[1]:
            found.append(f'grid={body.grid} is no square')
        if body.base != BASE or body.norm.eps != NORM_EPS:
            found.append(f'base and eps are not {BASE:g} and {NORM_EPS:g}')
        if normalises(body):
            found.append('qk_norm, which LlamaGen does not have')
        wrong = [f'transformer.body: {reason}' for reason in found]
        if not isinstance(network.head, TokenHead):
            wrong.append('transformer.head: it is no linear map of its own')
        return wrong

    def write(
        self, path: Path, weights: Weights, model: nn.Module, *, image_size: int
    ) -> list[Path]:
        """Write {'model': ...}, as in its training."""
        save({'model': {k: v.contiguous() for k, v in weights.items()}}, path)
        return [path]


def _turned(
    weights: Weights, network: TokenTransformer, order: str
) -> dict[str, Tensor]:
    """Return weights with the rows of queries and keys in another order."""
    turned = dict(weights)
    for key in weights:
        if key.endswith(QKV):
            *turning, value = weights[key].chunk(3)
            rows = [rearrange(w, order, m=network.body.heads, two=2) for w in turning]
            turned[key] = torch.cat([*rows, value])
    return turned
