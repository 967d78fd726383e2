"""The whole network: categories and tokens to logits of the next token."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.models.transformers.blocks import DEVIATION, CausalTransformer


class TokenTransformer(nn.Module):
    """A causal transformer between an embedding and a head.

    The sequence is the category, then the tokens in raster order; position i tells
    token i, and the last token is never fed. One table embeds all: first the codes of
    each sub-token in turn, then the categories, last 'no category', which stands for
    one that was dropped and for a network without categories. The embedding of a token
    of several sub-tokens is the sum of theirs.

    Args:
        body: The transformer.
        head: From features to logits, see `heads`. None ties it: a token's logit is
            the product of the features and its embedding.
        token_sizes: Vocabulary of each sub-token of a position.
        classes: Number of categories; 0 of an unconditional network.
        dropout: Of the embedding, in training.
        factored: Whether a token is one index (b, h, w) of which the sub-tokens are the
            digits, in the mixed radix `token_sizes`, the highest first.

    Raises:
        ValueError: A tied head is asked for several sub-tokens.
    """

    def __init__(
        self,
        *,
        body: CausalTransformer,
        head: nn.Module | None,
        token_sizes: Sequence[int],
        classes: int,
        dropout: float = 0.0,
        factored: bool = False,
    ) -> None:
        super().__init__()
        self.token_sizes = tuple(token_sizes)
        if head is None and len(self.token_sizes) > 1:
            raise ValueError(
                f'a tied head tells one sub-token, but there are {self.token_sizes}'
            )
        self.factored = factored or len(self.token_sizes) == 1
        self.classes = classes
        codes = sum(self.token_sizes)
        self.embedding = nn.Embedding(codes + classes + 1, body.dim)
        nn.init.normal_(self.embedding.weight, std=DEVIATION)
        self.dropout = nn.Dropout(dropout)
        self.body = body
        self.head = head
        starts = [0, *accumulate(self.token_sizes)][:-1]
        self.register_buffer('starts', torch.tensor(starts), persistent=False)

    starts: Tensor

    @property
    def codes(self) -> int:
        """Number of codes of all sub-tokens; the categories' rows follow theirs."""
        return sum(self.token_sizes)

    @property
    def null(self) -> int:
        """The category that means none."""
        return self.classes

    @property
    def length(self) -> int:
        """Number of tokens of an image."""
        return self.body.length

    def rows(self, tokens: Tensor) -> Tensor:
        """Lay tokens (b, h, w) or (b, h, w, g) out in raster order, (b, n, g)."""
        if not self.factored:
            return rearrange(tokens, 'b h w g -> b (h w) g')
        index = rearrange(tokens, 'b h w -> b (h w) 1')
        digits = index
        for size in reversed(self.token_sizes[1:]):
            highest, others = digits[..., :1], digits[..., 1:]
            digits = torch.cat([highest // size, highest % size, others], dim=-1)
        return torch.where(index < 0, index, digits)  # -1 stands for no token

    def grid(self, rows: Tensor) -> Tensor:
        """Undo `rows`: (b, n, g) to (b, h, w) or (b, h, w, g)."""
        height = self.body.grid[0]
        if not self.factored:
            return rearrange(rows, 'b (h w) g -> b h w g', h=height)
        index, *digits = rearrange(rows, 'b (h w) g -> g b h w', h=height)
        for size, digit in zip(self.token_sizes[1:], digits, strict=True):
            index = index * size + digit
        tokens: Tensor = index.clamp(min=-1)
        return tokens

    def condition(self, category: Tensor) -> Tensor:
        """Embed categories (b,), `null` included: (b, dim)."""
        embedded: Tensor = self.embedding(category + self.codes)
        return embedded

    def subtokens(self, rows: Tensor) -> Tensor:
        """Embed each of the first s sub-tokens, (..., s), by itself: (..., s, dim)."""
        embedded: Tensor = self.embedding(rows + self.starts[: rows.shape[-1]])
        return embedded

    def logits(self, features: Tensor, before: Tensor) -> list[Tensor]:
        """Return the logits of each sub-token, float32, (..., size).

        Args:
            features: (..., dim).
            before: The embeddings of the sub-tokens before, see `heads`.
        """
        if self.head is None:
            weight = self.embedding.weight[: self.codes]
            return [at_least_float32(functional.linear(features, weight))]
        logits: list[Tensor] = self.head(features, before)
        return logits

    def forward(self, rows: Tensor, condition: Tensor) -> list[Tensor]:
        """Return the logits of every token given those before, in one pass.

        Args:
            rows: Tokens in raster order, (b, n, g).
            condition: Categories, (b,), `null` included; or embedded, (b, dim).

        Returns:
            For each sub-token float32 logits, (b, n, size).
        """
        if not condition.is_floating_point():
            condition = self.condition(condition)
        embedded = self.subtokens(rows)
        tokens = embedded.sum(2)
        sequence = torch.cat([condition[:, None], tokens[:, :-1]], dim=1)
        features = self.body(self.dropout(sequence))
        return self.logits(features, embedded[:, :, :-1])


def drop(category: Tensor, *, share: float, null: int) -> Tensor:
    """Replace each category (b,), with probability `share`, by `null`; not in place.

    It draws from the device's generator, which each rank has its own of.
    """
    if not share:
        return category
    dropped = torch.rand(category.shape, device=category.device) < share
    return torch.where(dropped, null, category)


def unconditional(network: TokenTransformer, batch: int) -> Tensor:
    """Return the condition 'no category', (b, dim)."""
    null = network.condition(torch.tensor([network.null], device=network.starts.device))
    return repeat(null, '1 d -> b d', b=batch)
