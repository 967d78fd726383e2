"""GPT-2 (https://openai.com/research/better-language-models): learnt positions."""

import math
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from vq.models.transformers.blocks import (
    DEVIATION,
    CausalAttention,
    CausalBlock,
    CausalTransformer,
)
from vq.registry import MODELS

NORM_EPS = 1e-5


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
class GPT2(CausalTransformer):
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
    ) -> None:
        norm = partial(nn.LayerNorm, dim, eps=NORM_EPS)
        super().__init__(
            dim=dim,
            heads=heads,
            grid=grid,
            norm=norm(),
            checkpointing=checkpointing,
            blocks=[
                CausalBlock(
                    norm=norm,
                    attention=CausalAttention(
                        dim=dim,
                        heads=heads,
                        bias=True,
                        qk_norm=qk_norm,
                        dropout=attention_dropout,
                    ),
                    mlp=GELUMLP(dim=dim, hidden_dim=int(mlp_ratio * dim)),
                    dropout=dropout,
                )
                for _ in range(depth)
            ],
        )
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
