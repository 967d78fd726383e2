"""What every quantizer offers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from vq.types import Quantized


class Quantizer(nn.Module, ABC):
    """Replaces latents by codes of a finite codebook.

    Most families give one token a position. Some give g sub-tokens, each of its own
    vocabulary (residual, product, groups of bits): their tokens are (b, h, w, g). Where
    a docstring says (b, h, w, ...) it means both.

    In evaluation, when frozen, and where no gradient is recorded, no method changes any
    state: a quantizer learns only from a forward pass that is there to learn from.

    Args:
        codebook_size: Number of different codes k, of all sub-tokens together.
        dim: Channels d of a quantized latent.
        in_dim: Channels of the latent to be quantized; `dim` by default, as in most
            families.
        token_sizes: Vocabulary of each sub-token; (codebook_size,) by default.

    Attributes:
        advice: What helps when this family's codebook collapses.
        learns_from_latent: Whether parameters learn from the gradient of the quantized
            latent, and not from the losses alone.
        moved_by_passes: Names of its parameters that its passes move, not gradients:
            no optimizer gets them.
    """

    advice: str = 'a larger batch, a lower learning rate of the generator'
    learns_from_latent: bool = False
    moved_by_passes: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        in_dim: int | None = None,
        token_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.codebook_size = codebook_size
        self.dim = dim
        self.in_dim = dim if in_dim is None else in_dim
        self.token_sizes = tuple(token_sizes or (codebook_size,))
        if math.prod(self.token_sizes) != codebook_size:
            raise ValueError(
                f'the product of token_sizes {self.token_sizes} must be '
                f'codebook_size={codebook_size}'
            )

    @abstractmethod
    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, in_dim, h, w), with the losses of training."""

    @abstractmethod
    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to tokens (b, h, w, ...), int64."""

    @abstractmethod
    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to their quantized latent (b, d, h, w)."""

    def project(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to where the codes lie: sphere, box ...

        What lies between it and the quantized latent is the quantization error, if
        both are of one shape.
        """
        return latent


def to_rows(latent: Tensor) -> Tensor:
    """Map (b, d, h, w) to one row a position, (b h w, d)."""
    return rearrange(latent, 'b d h w -> (b h w) d')


def to_latent(rows: Tensor, like: Tensor) -> Tensor:
    """Map rows (b h w, d) back to (b, d, h, w); b, h and w are those of `like`."""
    batch, _, height, _ = like.shape
    return rearrange(rows, '(b h w) d -> b d h w', b=batch, h=height)


def to_grid(tokens: Tensor, like: Tensor) -> Tensor:
    """Map tokens of rows, (b h w, ...), to (b, h, w, ...) as in `like` (b, d, h, w)."""
    batch, _, height, _ = like.shape
    return rearrange(tokens, '(b h w) ... -> b h w ...', b=batch, h=height)


def check_channels(latent: Tensor, dim: int) -> None:
    """Refuse a latent (b, d, h, w) of other than `dim` channels, which may broadcast.

    Raises:
        ValueError: It has more or less channels.
    """
    if latent.shape[1] != dim:
        raise ValueError(
            f'a latent should have {dim} channels, got the shape {tuple(latent.shape)}'
        )


def check_tokens(tokens: Tensor, token_sizes: Sequence[int]) -> None:
    """Refuse tokens without a code, where no look-up in a table does; without a sync.

    Args:
        tokens: (..., g), or of any shape if there is one size.
        token_sizes: Vocabulary of each sub-token.

    Raises:
        ValueError: There are more or less sub-tokens than sizes.
        RuntimeError: A token lies outside of its vocabulary; on a GPU the device says
            so, later.
    """
    number = len(token_sizes)
    if number > 1 and tokens.shape[-1:] != (number,):
        raise ValueError(
            f'tokens of shape {tuple(tokens.shape)} should end in the {number} '
            f'sub-tokens of token_sizes={tuple(token_sizes)}'
        )
    parts = tokens.unbind(-1) if number > 1 else (tokens,)
    for part, size in zip(parts, token_sizes, strict=True):
        torch._assert_async(
            ((part >= 0) & (part < size)).all(),
            f'a token lies outside of its vocabulary: it must be >= 0 and < {size}',
        )
