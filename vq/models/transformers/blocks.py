"""What causal transformers are made of: attention, blocks, and a stack of blocks."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vq.models.transformers.cache import Cache
from vq.models.transformers.rope import rotate

DEVIATION = 0.02  # of the numbers that weights begin with


class HeadNorm(nn.RMSNorm):
    """Root mean square normalisation in the precision of its weights.

    Beside weights of float32 torch takes no fused kernel for bfloat16.
    """

    def forward(self, heads: Tensor) -> Tensor:
        """Normalise (..., d), and return what came in in its own precision."""
        return super().forward(heads.to(self.weight.dtype)).to(heads.dtype)


class CausalAttention(nn.Module):
    """Multi-head attention of each position to itself and those before.

    Args:
        dim: Channels.
        heads: Number of heads; divides `dim`.
        bias: Whether the linear maps have one.
        qk_norm: Whether queries and keys are RMS-normalised, head by head
            (https://arxiv.org/abs/2302.05442), which keeps large networks stable.
        dropout: Of the attention's weights, in training.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(
        self, *, dim: int, heads: int, bias: bool, qk_norm: bool, dropout: float
    ) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f'{heads} heads do not divide a width of {dim}')
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.out = nn.Linear(dim, dim, bias=bias)
        self.query_norm: nn.Module = nn.Identity()
        self.key_norm: nn.Module = nn.Identity()
        if qk_norm:
            self.query_norm = HeadNorm(dim // heads, eps=1e-6)
            self.key_norm = HeadNorm(dim // heads, eps=1e-6)

    def forward(
        self,
        hidden: Tensor,
        turns: Tensor | None = None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Map (b, n, dim) to the same shape.

        Args:
            hidden: (b, n, dim).
            turns: Cosines and sines of the positions, (2, n, d / 2), by which queries
                and keys are turned; None turns nothing.
            cache: Holds the positions before; none before if None.
            layer: Which block of the cache this is.
        """
        query, key, value = rearrange(
            self.qkv(hidden), 'b n (qkv m d) -> qkv b m n d', qkv=3, m=self.heads
        )
        query, key = self.query_norm(query), self.key_norm(key)
        if turns is not None:
            query, key = rotate(query, turns), rotate(key, turns)
        mask, causal = None, True
        if cache is not None:
            key, value, mask, causal = cache.see(layer, key, value)
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=causal,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out(rearrange(mixed, 'b m n d -> b n (m d)'))
        return out


class CausalBlock(nn.Module):
    """Attention and an MLP, each normalised before and beside a shortcut.

    Args:
        norm: Makes a norm of the block's width.
        attention: (b, n, dim) to the same.
        mlp: (b, n, dim) to the same.
        dropout: Of what both add to the shortcut, in training.
    """

    def __init__(
        self,
        *,
        norm: Callable[[], nn.Module],
        attention: CausalAttention,
        mlp: nn.Module,
        dropout: float,
    ) -> None:
        super().__init__()
        self.norm1 = norm()
        self.attention = attention
        self.norm2 = norm()
        self.mlp = mlp
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden: Tensor,
        turns: Tensor | None = None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Map (b, n, dim) to the same shape."""
        attended = self.attention(self.norm1(hidden), turns, cache, layer)
        hidden = hidden + self.dropout(attended)
        out: Tensor = hidden + self.dropout(self.mlp(self.norm2(hidden)))
        return out


class CausalTransformer(nn.Module, ABC):
    """A stack of blocks with positions: (b, n, dim) to features of the same shape.

    It knows no vocabulary. Position 0 is the condition, position i the token i - 1 of
    the grid in raster order; features of position i tell token i.

    Args:
        dim: Channels.
        depth: Number of blocks.
        heads: Of their attention; divides `dim`.
        grid: Rows and columns of tokens.
        norm: Makes a norm, within the blocks and behind them.
        mlp: Makes a block's MLP.
        bias: Whether the linear maps of the attention have one.
        qk_norm: Whether queries and keys are normalised.
        dropout: Of what attention and MLP add, in training.
        attention_dropout: Of the attention's weights, in training.
        checkpointing: Whether training recomputes each block's activations in the
            backward pass, for less memory and about a third more time.

    Raises:
        ValueError: The grid is not two numbers from 1 on.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        grid: tuple[int, int],
        norm: Callable[[], nn.Module],
        mlp: Callable[[], nn.Module],
        bias: bool,
        qk_norm: bool,
        dropout: float,
        attention_dropout: float,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        if len(grid) != 2 or min(grid) < 1:
            raise ValueError(f'grid must be rows and columns of tokens, got {grid!r}')
        self.dim = dim
        self.heads = heads
        self.grid = (grid[0], grid[1])
        self.checkpointing = checkpointing
        self.blocks = nn.ModuleList(
            CausalBlock(
                norm=norm,
                attention=CausalAttention(
                    dim=dim,
                    heads=heads,
                    bias=bias,
                    qk_norm=qk_norm,
                    dropout=attention_dropout,
                ),
                mlp=mlp(),
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = norm()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=DEVIATION)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def length(self) -> int:
        """Number of tokens, hence of positions."""
        return self.grid[0] * self.grid[1]

    def cache(self, batch: int, *, dtype: torch.dtype, static: bool = False) -> Cache:
        """Return an empty cache for `batch` sequences; see `Cache`."""
        return Cache(
            layers=len(self.blocks),
            batch=batch,
            heads=self.heads,
            length=self.length,
            head_dim=self.dim // self.heads,
            device=next(self.parameters()).device,
            dtype=dtype,
            static=static,
        )

    @abstractmethod
    def placed(
        self, hidden: Tensor, positions: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Say where everything is: return the blocks' input and what turns their heads.

        Args:
            hidden: (b, n, dim).
            positions: Of the n; None means 0 to n - 1.

        Returns:
            (b, n, dim), and (2, n, d / 2) or None, see `CausalAttention`.
        """

    def forward(self, hidden: Tensor, cache: Cache | None = None) -> Tensor:
        """Map embedded positions to features.

        Args:
            hidden: (b, n, dim), n at most `length`.
            cache: Holds the positions before, and where these are (`Cache.advance`).

        Returns:
            (b, n, dim).

        Raises:
            ValueError: There are more positions than the grid has.
        """
        if hidden.shape[1] > self.length:
            raise ValueError(
                f'{hidden.shape[1]} positions do not fit the grid {self.grid}: set '
                "the transformer's `grid` to the rows and columns of tokens"
            )
        positions = None if cache is None else cache.positions
        hidden, turns = self.placed(hidden, positions)
        for layer, block in enumerate(self.blocks):
            if self.checkpointing and self.training and torch.is_grad_enabled():
                hidden = checkpoint(block, hidden, turns, use_reentrant=False)
            else:
                hidden = block(hidden, turns, cache, layer)
        features: Tensor = self.norm(hidden)
        return features
