"""Lookup-free quantization (https://arxiv.org/abs/2310.05737)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.models.quantizers.base import Quantizer, check_channels, check_tokens, to_rows
from vq.models.quantizers.bits import (
    LONGEST_GROUP,
    LONGEST_TOKEN,
    batch_entropy,
    bits_to_tokens,
    sample_entropy,
    tokens_to_bits,
)
from vq.models.quantizers.gradients import straight_through
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class LFQuantizer(Quantizer):
    """Takes the sign of each channel: 1 where it is positive, else -1.

    So the 2^d codes need no table and no search. Bit i of a token is channel i, the
    first having the weight 1. All maths is in float32, under autocast too. Defaults are
    those of Open-MAGVIT2 (https://arxiv.org/abs/2409.04410).

    Args:
        dim: Channels d of a latent, and bits of a code.
        token_bits: Bits of each sub-token, in the order of channels, such as (6, 12);
            one token of all bits by default.
        commitment_weight: Weight of the loss that moves latents to codes, the mean
            squared difference. A weight of 0 leaves a loss out.
        entropy_weight: Weight of the loss that makes each choice sure and all codes
            equally frequent, in training only: the mean of the rows' entropies less
            `diversity` times the entropy of their mean.
        diversity: Weight of the latter.
        temperature: Of the soft choice that this loss looks at: a softmax over minus
            the squared distances to all codes over the temperature.
        entropy_bits: The entropy of the mean is exact for so many bits; of more the
            entropies of groups are added. See `vq.models.quantizers.bits`.

    Raises:
        ValueError: `token_bits` do not sum up to `dim`, a token has no or too many bits
            for int64, or the temperature or `entropy_bits` is out of range.
    """

    _precision: Tensor
    eps: ClassVar[float] = 1e-5  # inside the logarithm of a mean share; as published
    advice = (
        'a larger entropy_weight (known to work: 0.1) or diversity, LeCAM (0.05), a '
        'larger batch'
    )

    def __init__(
        self,
        *,
        dim: int,
        token_bits: Sequence[int] | None = None,
        commitment_weight: float = 0.25,
        entropy_weight: float = 0.1,
        diversity: float = 1.0,
        temperature: float = 0.01,
        entropy_bits: int = 18,
    ) -> None:
        self.token_bits = _token_bits(dim, token_bits)
        sizes = [2**bits for bits in self.token_bits]
        super().__init__(codebook_size=2**dim, dim=dim, token_sizes=sizes)
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if not 1 <= entropy_bits <= LONGEST_GROUP:
            raise ValueError(
                f'entropy_bits must be from 1 to {LONGEST_GROUP}, got {entropy_bits}: '
                'there is a table of 2^entropy_bits shares'
            )
        self.scale = 1.0  # of a code's channels
        self.commitment_weight = commitment_weight
        self.entropy_weight = entropy_weight
        self.diversity = diversity
        self.temperature = temperature
        self.entropy_bits = entropy_bits
        # Only its dtype matters: it becomes float64 with the model.
        self.register_buffer('_precision', torch.ones(()), persistent=False)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized` for what comes back."""
        check_channels(latent, self.dim)
        placed = self.project(at_least_float32(latent))
        bits = latent > 0
        codes = self._codes(bits, placed.dtype)
        return Quantized(
            latent=straight_through(placed, codes),
            tokens=self._tokens(bits),
            losses=self.losses(placed, codes),
        )

    def losses(self, placed: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses.

        Args:
            placed: Latents where the codes lie, (b, d, h, w).
            codes: The code of each, (b, d, h, w).
        """
        losses = {}
        if self.commitment_weight:
            loss = functional.mse_loss(placed, codes)
            losses['commitment_loss'] = self.commitment_weight * loss
        if self.entropy_weight and self.training:
            # Of a bit's two codes, the difference of squared distances is 4 s z.
            logits = to_rows(placed) * (4 * self.scale / self.temperature)
            even = batch_entropy(logits, group_bits=self.entropy_bits, eps=self.eps)
            loss = sample_entropy(logits) - self.diversity * even
            losses['entropy_loss'] = self.entropy_weight * loss
        return losses

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w, ...), int64."""
        check_channels(latent, self.dim)
        return self._tokens(latent > 0)

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to their quantized latent (b, d, h, w)."""
        check_tokens(tokens, self.token_sizes)
        bits = tokens_to_bits(tokens, self.token_bits)
        codes = self._codes(bits, at_least_float32(self._precision).dtype)
        # Laid out as in `forward`, or a convolution rounds its result differently.
        return rearrange(codes, 'b h w d -> b d h w').contiguous()

    def _tokens(self, bits: Tensor) -> Tensor:
        return bits_to_tokens(rearrange(bits, 'b d h w -> b h w d'), self.token_bits)

    def _codes(self, bits: Tensor, dtype: torch.dtype) -> Tensor:
        return (2 * bits.to(dtype) - 1) * self.scale


def _token_bits(dim: int, token_bits: Sequence[int] | None) -> tuple[int, ...]:
    bits = (dim,) if token_bits is None else tuple(token_bits)
    if sum(bits) != dim or min(bits) < 1:
        raise ValueError(
            f'token_bits must be >= 1 and sum up to dim={dim}, got {bits} with the sum '
            f'{sum(bits)}'
        )
    if max(bits) > LONGEST_TOKEN:
        raise ValueError(
            f'a token has at most {LONGEST_TOKEN} bits, got {bits}: cut it into '
            'sub-tokens, such as token_bits=(18, 18) for dim=36'
        )
    return bits
