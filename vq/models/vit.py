"""Vision transformers as BEiT's tokenizer has them (https://arxiv.org/abs/2208.06366)."""

import math

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from vq.models.norms import NORM_EPS

DEVIATION = 0.02  # of the numbers that weights begin with
NUDGE = 0.1  # of a patch; see `VisionTransformer.resized_positions`


class Attention(nn.Module):
    """Multi-head attention among all positions.

    Keys have no bias: it would add the same to all scores of a query, which a softmax
    does not see.

    Args:
        dim: Channels.
        heads: Number of heads; divides `dim`.

    Raises:
        ValueError: It does not.
    """

    def __init__(self, *, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f'{heads} heads do not divide a width of {dim}')
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(dim))
        self.value_bias = nn.Parameter(torch.zeros(dim))
        self.out = nn.Linear(dim, dim)

    def extra_repr(self) -> str:
        """Show the heads, which no shape tells."""
        return f'heads={self.heads}'

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, n, dim) to the same shape."""
        none = torch.zeros_like(self.query_bias)
        bias = torch.cat([self.query_bias, none, self.value_bias])
        projected = functional.linear(hidden, self.qkv.weight, bias)
        query, key, value = rearrange(
            projected, 'b n (qkv m d) -> qkv b m n d', qkv=3, m=self.heads
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(rearrange(mixed, 'b m n d -> b n (m d)'))
        return out


class MLP(nn.Module):
    """Two linear maps with a GELU between them.

    Args:
        dim: Channels in and out.
        hidden_dim: Channels between.
    """

    def __init__(self, *, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, n, dim) to the same shape."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(hidden)))
        return out


class Block(nn.Module):
    """Attention and an MLP, each normalised before and beside a shortcut.

    Args:
        dim: Channels.
        heads: Of the attention.
        mlp_ratio: Channels within the MLP, in units of `dim`.
    """

    def __init__(self, *, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attention = Attention(dim=dim, heads=heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = MLP(dim=dim, hidden_dim=int(mlp_ratio * dim))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, n, dim) to the same shape."""
        hidden = hidden + self.attention(self.norm1(hidden))
        out: Tensor = hidden + self.mlp(self.norm2(hidden))
        return out


class VisionTransformer(nn.Module):
    """Maps to features of patches: embedding, blocks, normalisation, and no head.

    Args:
        in_dim: Channels of the map.
        patch: Rows and columns of a patch.
        grid: Rows and columns of patches for which positions are learnt; for others
            they are interpolated.
        width: Channels of the features.
        depth: Number of blocks.
        heads: Of their attention; divides `width`.
        mlp_ratio: Channels within their MLPs, in units of `width`.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        patch: int,
        grid: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.grid = grid
        self.stem = nn.Conv2d(in_dim, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, 1 + grid * grid, width))
        self.blocks = nn.ModuleList(
            Block(dim=width, heads=heads, mlp_ratio=mlp_ratio) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights but the stem's, which begins as torch's convolutions do."""
        for token in (self.class_token, self.positions):
            nn.init.trunc_normal_(token, std=DEVIATION)
        draw_linears(self)
        for number, block in enumerate(self.blocks, 1):
            # What a block adds shrinks with its depth, as in GPT-2.
            for name in ('attention.out', 'mlp.fc2'):
                block.get_parameter(f'{name}.weight').div_(math.sqrt(2 * number))

    def forward(self, image: Tensor) -> Tensor:
        """Map (b, in_dim, h * patch, w * patch) to features (b, h, w, width).

        Raises:
            ValueError: A patch does not divide the sides.
        """
        height, width = image.shape[-2:]
        if height % self.patch or width % self.patch:
            raise ValueError(
                f'patches of {self.patch} do not divide {height}x{width}: give sides '
                'that are multiples'
            )
        patches = self.stem(image)
        rows, columns = patches.shape[-2:]
        positions = self.resized_positions(rows, columns)
        hidden = rearrange(patches, 'b d h w -> b (h w) d') + positions[:, 1:]
        first = repeat(
            self.class_token + positions[:, :1], '1 1 d -> b 1 d', b=len(image)
        )
        hidden = torch.cat([first, hidden], dim=1)
        for block in self.blocks:
            hidden = block(hidden)
        features: Tensor = self.norm(hidden[:, 1:])
        return rearrange(features, 'b (h w) d -> b h w d', h=rows)

    def resized_positions(self, rows: int, columns: int) -> Tensor:
        """Return the class token's position and a grid's, (1, 1 + rows * columns, d).

        The published code asks for a tenth of a patch more, against rounding errors,
        and so samples a little nearer to the first patch. What was trained with that
        is used with that.
        """
        if (rows, columns) == (self.grid, self.grid):
            return self.positions
        own = rearrange(self.positions[:, 1:], '1 (h w) d -> 1 d h w', h=self.grid)
        factors = [(side + NUDGE) / self.grid for side in (rows, columns)]
        resized = functional.interpolate(own, scale_factor=factors, mode='bicubic')
        rest = rearrange(resized, '1 d h w -> 1 (h w) d')
        return torch.cat([self.positions[:, :1], rest], dim=1)


def tanh_head(width: int, out_dim: int) -> nn.Sequential:
    """Return the task layer: two linear maps of the last axis, a tanh between them.

    Args:
        width: Channels in, and between.
        out_dim: Channels out.
    """
    head = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, out_dim))
    draw_linears(head)
    return head


def draw_linears(module: nn.Module) -> None:
    """Draw the weights of all linear maps within a module; their biases are 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=DEVIATION)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
