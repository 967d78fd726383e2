"""GPT-2 (https://openai.com/research/better-language-models): learnt positions."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from vq.checkpoints.files import CheckpointError
from vq.checkpoints.weights import check_fit
from vq.models.frozen import Pretrained, find_weights, read_weights, unless_dry
from vq.models.transformers.blocks import DEVIATION, CausalTransformer
from vq.registry import MODELS

NORM_EPS = 1e-5
FILE = 'model.safetensors'  # of a folder of transformers
# Our names of a block's modules by those of published files.
NAMES = {
    'ln_1': 'norm1',
    'attn.c_attn': 'attention.qkv',
    'attn.c_proj': 'attention.out',
    'ln_2': 'norm2',
    'mlp.c_fc': 'mlp.up',
    'mlp.c_proj': 'mlp.down',
}


class GELUMLP(nn.Module):
    """Two linear maps with a GELU between them, by its tanh formula.

    Args:
        dim: Channels in and out.
        hidden_dim: Channels between.
    """

    def __init__(self, *, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.up = nn.Linear(dim, hidden_dim)
        self.down = nn.Linear(hidden_dim, dim)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        out: Tensor = self.down(functional.gelu(self.up(hidden), approximate='tanh'))
        return out


@MODELS.register_module()
class GPT2(CausalTransformer, Pretrained):
    """GPT-2's blocks.

    Args:
        dim: Channels.
        depth: Number of blocks.
        heads: Of their attention; divides `dim`.
        grid: Rows and columns of tokens.
        mlp_ratio: Channels within the MLPs, in units of `dim`.
        qk_norm: Whether queries and keys are normalised.
        dropout: Of the input and of what attention and MLP add, in training.
        attention_dropout: Of the attention's weights, in training.
        checkpointing: See `CausalTransformer`.
        weights: Text weights that training begins with, an entry of `vq.pretrained`
            such as 'huggingface/gpt2-medium', or a path: blocks, last norm and the
            first positions. Tokens have embeddings of their own. None for random ones.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        grid: tuple[int, int],
        mlp_ratio: float = 4.0,
        qk_norm: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        checkpointing: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__(
            dim=dim,
            depth=depth,
            heads=heads,
            grid=grid,
            norm=partial(nn.LayerNorm, dim, eps=NORM_EPS),
            mlp=partial(GELUMLP, dim=dim, hidden_dim=int(mlp_ratio * dim)),
            bias=True,
            qk_norm=qk_norm,
            dropout=dropout,
            attention_dropout=attention_dropout,
            checkpointing=checkpointing,
        )
        self.weights = weights
        self.positions = nn.Embedding(self.length, dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.positions.weight, std=DEVIATION)
        # Many blocks add up in one stream: each begins with its share (the paper, 2.3).
        for name, parameter in self.blocks.named_parameters():
            if name.endswith(('out.weight', 'down.weight')):
                nn.init.normal_(parameter, std=DEVIATION / math.sqrt(2 * depth))

    def placed(self, hidden: Tensor, positions: Tensor | None) -> tuple[Tensor, None]:
        """Add what is learnt of the positions; turn nothing."""
        table = self.positions.weight
        own = table[: hidden.shape[1]] if positions is None else table[positions]
        return self.dropout(hidden + own), None

    def load_pretrained(self) -> None:
        """Begin with the text weights.

        Raises:
            FileNotFoundError: They are missing; in a dry run that is only a warning.
            CheckpointError: They are of another size, or of fewer positions.
        """
        if self.weights is None:
            return
        file = unless_dry(partial(_file, self.weights), self)
        if file is None:
            return
        weights = body_weights(read_weights(file))
        positions = weights.get('positions.weight')
        if positions is not None:
            if len(positions) < self.length:
                raise CheckpointError(
                    f'{file} has {len(positions)} positions, grid={self.grid} needs '
                    f'{self.length}: take a smaller grid, or weights=None'
                )
            weights['positions.weight'] = positions[: self.length]
        check_fit(self, weights, file)
        self.load_state_dict(weights)


def _file(name: str) -> Path:
    """Return the file of an entry of `vq.pretrained`, of a folder, or of a path."""
    path = find_weights(name)
    if not path.is_dir():
        return path
    if not (path / FILE).is_file():
        raise FileNotFoundError(
            f'{path} holds no {FILE}: set weights to the file that has the weights'
        )
    return path / FILE


def body_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of a published GPT-2 that are not about its vocabulary, as ours.

    Their linear maps are transposed. Masks, which old files have too, are left out.
    """
    ours = {'wpe.weight': 'positions.weight'}
    ours |= {f'ln_f.{leaf}': f'norm.{leaf}' for leaf in ('weight', 'bias')}
    found = {}
    for key, value in weights.items():
        name = key.removeprefix('transformer.')
        if name in ours:
            found[ours[name]] = value
            continue
        module, _, leaf = name.rpartition('.')
        layer, _, module = module.removeprefix('h.').partition('.')
        if name.startswith('h.') and module in NAMES:
            linear = value.T if value.ndim > 1 else value
            found[f'blocks.{layer}.{NAMES[module]}.{leaf}'] = linear
    return found
