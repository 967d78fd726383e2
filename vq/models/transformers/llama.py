"""Llama (https://arxiv.org/abs/2302.13971), with positions along a row or a grid."""

from collections.abc import Callable
from functools import partial
from typing import Literal, Self

from torch import Tensor, nn
from torch.nn import functional

from vq.models.transformers.blocks import CausalTransformer
from vq.models.transformers.rope import grid_table, row_table
from vq.registry import MODELS

NORM_EPS = 1e-5
BASE = 10_000.0


class SwiGLU(nn.Module):
    """A gated MLP without biases (https://arxiv.org/abs/2002.05202).

    Args:
        dim: Channels in and out.
        hidden_dim: Channels between.
    """

    def __init__(self, *, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(dim, 2 * hidden_dim, bias=False)
        self.down = nn.Linear(hidden_dim, dim, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        gate, up = self.gate_up(hidden).chunk(2, dim=-1)
        out: Tensor = self.down(functional.silu(gate) * up)
        return out


def mlp_width(dim: int, multiple: int = 256) -> int:
    """Return Llama's width of an MLP: 8/3 of `dim`, rounded up to a multiple."""
    return -(-int(8 * dim / 3) // multiple) * multiple


@MODELS.register_module()
class Llama(CausalTransformer):
    """Llama's blocks.

    Args:
        dim: Channels.
        depth: Number of blocks.
        heads: Of their attention; divides `dim`.
        grid: Rows and columns of tokens.
        positions: 'row', counted in raster order, as in transformers' Llama; or 'grid',
            by row and column, as in LlamaGen (https://arxiv.org/abs/2406.06525).
        mlp_dim: Channels within the MLPs; None is 8/3 of `dim`, rounded up to 256 n.
        qk_norm: Whether queries and keys are normalised.
        dropout: Of what attention and MLP add, in training.
        attention_dropout: Of the attention's weights, in training.
        checkpointing: See `CausalTransformer`.
        base: Of the angles.
        eps: Of the norms.

    Raises:
        ValueError: The heads do not divide the width; `positions` is neither.
    """

    table: Tensor

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        grid: tuple[int, int],
        positions: Literal['row', 'grid'] = 'row',
        mlp_dim: int | None = None,
        qk_norm: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        checkpointing: bool = False,
        base: float = BASE,
        eps: float = NORM_EPS,
    ) -> None:
        if positions not in ('row', 'grid'):
            raise ValueError(f"positions must be 'row' or 'grid', got {positions!r}")
        hidden_dim = mlp_width(dim) if mlp_dim is None else mlp_dim
        super().__init__(
            dim=dim,
            depth=depth,
            heads=heads,
            grid=grid,
            norm=partial(nn.RMSNorm, dim, eps=eps),
            mlp=partial(SwiGLU, dim=dim, hidden_dim=hidden_dim),
            bias=False,
            qk_norm=qk_norm,
            dropout=dropout,
            attention_dropout=attention_dropout,
            checkpointing=checkpointing,
        )
        self.positions = positions
        self.base = base
        table = (
            row_table(self.length, dim // heads, base=base)
            if positions == 'row'
            else grid_table(self.grid, dim // heads, base=base)
        )
        self.register_buffer('table', table, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        table = self.table
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.table.dtype != table.dtype:  # angles stay exact beside bf16 weights
            self.table = table.to(self.table.device)
        return self

    def placed(self, hidden: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor]:
        """Turn queries and keys by their positions; leave the input as it is."""
        if positions is None:
            return hidden, self.table[:, : hidden.shape[1]]
        return hidden, self.table[:, positions]
