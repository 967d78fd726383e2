"""Finite scalar quantization (https://arxiv.org/abs/2309.15505)."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from vq.models.layers import at_least_float32
from vq.models.quantizers.base import Quantizer, check_channels, check_tokens
from vq.models.quantizers.gradients import straight_through
from vq.registry import MODELS
from vq.types import Quantized

Shift = Literal['atanh', 'tan']
SHIFTS: Mapping[Shift, Callable[[Tensor], Tensor]] = MappingProxyType(
    dict(atanh=torch.atanh, tan=torch.tan)
)


@MODELS.register_module()
class FSQuantizer(Quantizer):
    """Rounds each channel to one of a few levels, having bounded it by a tanh.

    The codes are all combinations of levels: nothing is learnt, there is no loss, no
    table and no search. A channel of L levels has the values -h / h to (L - 1 - h) / h,
    h = floor(L / 2): -1, -0.5, 0, 0.5, 1 for 5 and -1 to 0.75 for 8. In a token the
    first channel moves fastest. All maths is in float32, under autocast too.

    Args:
        levels: Levels of each channel; their number is that of channels. The paper's
            for about 2^8, 2^10, 2^12, 2^14 and 2^16 codes: (8, 6, 5), (8, 5, 5, 5),
            (7, 5, 5, 5, 5), (8, 8, 8, 6, 5), (8, 8, 8, 5, 5, 5).
        eps: By which share the tanh's range is less than the range of levels, so that
            no latent is rounded to a level beyond; negative for more.
        shift: How a latent of 0 is kept at level 0 although the range of an even
            number of levels is not centred there: 'atanh' puts it there exactly, 'tan'
            is what the paper's notebook has. Two levels have no such atanh unless eps
            is negative, and are then parted at 0.

    Raises:
        ValueError: There are no levels, or less than 2 of a channel; eps hides the
            outermost levels; there are more codes than int64 can count; or the shift
            is unknown.
    """

    levels: Tensor
    basis: Tensor
    _precision: Tensor
    advice = (
        'levels of 5 and more, known to work: (8, 8, 8, 6, 5), (8, 8, 5, 5, 5); a '
        'larger batch, a lower learning rate of the generator'
    )

    def __init__(
        self, *, levels: Sequence[int], eps: float = 1e-3, shift: Shift = 'atanh'
    ) -> None:
        levels = tuple(levels)
        _check(levels, eps, shift)
        super().__init__(codebook_size=math.prod(levels), dim=len(levels))
        self.eps = eps
        self.shift: Shift = shift
        basis = [math.prod(levels[:channel]) for channel in range(len(levels))]
        # Integers, which no cast of the model to half precision touches.
        for name, value in dict(levels=levels, basis=basis).items():
            column = rearrange(torch.tensor(value), 'd -> d 1 1')
            self.register_buffer(name, column, persistent=False)
        # Only its dtype matters: it becomes float64 with the model.
        self.register_buffer('_precision', torch.ones(()), persistent=False)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized`. There are no losses.

        Raises:
            ValueError: The latent has another number of channels.
        """
        bounded = self._bound(latent)
        digits = self._digits(bounded)
        codes = self._codes(digits, bounded.dtype)
        quantized = straight_through(bounded / self._half, codes)
        return Quantized(latent=quantized, tokens=self._tokens(digits))

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w), int64."""
        return self._tokens(self._digits(self._bound(latent)))

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
        check_tokens(tokens, self.token_sizes)
        digits = rearrange(tokens, 'b h w -> b 1 h w') // self.basis % self.levels
        return self._codes(digits, at_least_float32(self._precision).dtype)

    def project(self, latent: Tensor) -> Tensor:
        """Bound a latent (b, d, h, w), in units of the codes, at least float32."""
        return self._bound(latent) / self._half

    @property
    def _half(self) -> Tensor:
        return self.levels // 2

    def _bound(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to the range of levels, one apart, around 0."""
        check_channels(latent, self.dim)
        latent = at_least_float32(latent)
        span = (self.levels - 1).to(latent.dtype) * (1 - self.eps)
        even = 1 - self.levels % 2
        ratio = even / span
        shift = SHIFTS[self.shift](ratio)
        if self.shift == 'atanh':
            shift = torch.where(ratio < 1, shift, 0)
        return ((latent + shift).tanh() * span - even) / 2

    def _digits(self, bounded: Tensor) -> Tensor:
        """Round to each channel's digit from 0 to L - 1, int64, (b, d, h, w)."""
        # A latent that is not a number has a code, too: its value stays what it is.
        return bounded.detach().nan_to_num().round().long() + self._half

    def _codes(self, digits: Tensor, dtype: torch.dtype) -> Tensor:
        return (digits - self._half).to(dtype) / self._half

    def _tokens(self, digits: Tensor) -> Tensor:
        return (digits * self.basis).sum(1)


def _check(levels: tuple[int, ...], eps: float, shift: str) -> None:
    if not levels or min(levels) < 2:
        raise ValueError(f'levels must be >= 2, for each channel, got {levels}')
    if abs(eps) * (max(levels) - 1) >= 1:
        raise ValueError(
            f'eps={eps} is too far from 0 for {max(levels)} levels: the outermost '
            f'would be out of reach; it must be below {1 / (max(levels) - 1):g} in size'
        )
    if math.prod(levels) >= 2**63:
        raise ValueError(f'levels {levels} make too many codes: tokens are int64')
    if shift not in SHIFTS:
        raise ValueError(f'shift must be one of {tuple(SHIFTS)}, got {shift!r}')
