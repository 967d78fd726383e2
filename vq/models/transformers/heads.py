"""From features to logits of the next token, or of its sub-tokens one by one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vq.models.layers import at_least_float32


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


def none_before(features: Tensor) -> Tensor:
    """Return what a head is given before any sub-token is drawn, (..., 0, dim)."""
    return torch.empty_like(features)[..., None, :][..., :0, :]
