"""From features to logits of the next token, or of its sub-tokens one by one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vq.models.layers import at_least_float32
from vq.models.transformers.llama import Llama

# Kernels of attention on a GPU take no larger batch, and each token is a sequence here.
MOST_SEQUENCES = 65_535


class TokenHead(nn.Module):
    """One linear map to the logits of a single token.

    It begins with zeros, so that all tokens are equally likely.

    Args:
        dim: Channels of the features.
        token_sizes: Vocabulary of each sub-token; here there is one.
    """

    def __init__(self, *, dim: int, token_sizes: Sequence[int]) -> None:
        super().__init__()
        (size,) = token_sizes
        self.linear = nn.Linear(dim, size, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, features: Tensor, embedded: Tensor) -> list[Tensor]:
        """Return the logits of each sub-token, float32, (..., size).

        Args:
            features: (..., dim).
            embedded: The embeddings of the sub-tokens before, (..., s, dim), of which
                there are g - 1, or fewer while the others are still to be drawn. Here
                there are none.
        """
        del embedded
        return [at_least_float32(self.linear(features))]


class FactorisedHead(nn.Module):
    """A small causal transformer along a token's sub-tokens, as in RQ-Transformer.

    It tells each sub-token from the features and the sub-tokens before
    (https://arxiv.org/abs/2203.01941). The linear maps begin with zeros.

    Args:
        dim: Channels of the features.
        token_sizes: Vocabulary of each sub-token.
        depth: Number of blocks.
        heads: Of their attention; divides `dim`.
    """

    def __init__(
        self, *, dim: int, token_sizes: Sequence[int], depth: int, heads: int
    ) -> None:
        super().__init__()
        self.body = Llama(dim=dim, depth=depth, heads=heads, grid=(1, len(token_sizes)))
        self.linears = nn.ModuleList(
            nn.Linear(dim, size, bias=False) for size in token_sizes
        )
        for weight in self.linears.parameters():
            nn.init.zeros_(weight)

    def forward(self, features: Tensor, embedded: Tensor) -> list[Tensor]:
        """Return the logits of the sub-tokens so far and of the next; see TokenHead."""
        places = torch.cat([features[..., None, :], embedded], dim=-2)
        parts = torch.split(places.flatten(0, -3), MOST_SEQUENCES)
        told = torch.cat([self.body(part) for part in parts]).view_as(places).unbind(-2)
        return [
            at_least_float32(linear(one))
            for linear, one in zip(self.linears, told, strict=False)
        ]


def none_before(features: Tensor) -> Tensor:
    """Return what a head is given before any sub-token is drawn, (..., 0, dim)."""
    return torch.empty_like(features)[..., None, :][..., :0, :]
