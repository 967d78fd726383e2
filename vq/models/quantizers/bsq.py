"""Binary spherical quantization (https://arxiv.org/abs/2406.07548)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.models.quantizers.lfq import LFQuantizer
from vq.registry import MODELS

SHORTEST = 1e-12  # length of a latent that has a direction


@MODELS.register_module()
class BSQuantizer(LFQuantizer):
    """Takes the signs of a latent on the unit sphere over sqrt(d), a point on it, too.

    So the quantization error is bounded, where that of LFQ is not. A latent of length
    zero stays zero; it has the code of all minus signs, and gets no gradient. Tokens
    are those of LFQ: bit i is channel i, the first having the weight 1 (the published
    code counts the other way round). Defaults are those of the published code.

    Args:
        dim: Channels d of a latent, and bits of a code.
        token_bits: Bits of each sub-token, in the order of channels, such as (18, 18);
            one token of all bits by default.
        commitment_weight: Weight of the loss that moves latents, on the sphere, to
            codes; the mean squared difference. A weight of 0 leaves a loss out.
        entropy_weight: Weight of the loss that makes each choice sure and all codes
            equally frequent, in training only. The paper's training begins with three
            times the weight, and reaches it after 2,000 iterations; a schedule may set
            this attribute.
        diversity: Weight of the entropy of the mean, within that loss.
        temperature: Of the soft choice that this loss looks at: a softmax over minus
            the squared distances, on the sphere, to all codes over the temperature.
        entropy_bits: The entropy of the mean is exact for so many bits; of more the
            entropies of groups are added. The published weights were trained with 1.

    Raises:
        ValueError: `token_bits` do not sum up to `dim`, a token has no or too many bits
            for int64, or the temperature or `entropy_bits` is out of range.
    """

    eps: ClassVar[float] = 1e-8
    advice = (
        'a larger entropy_weight (known to work: 0.1, at first 0.3), entropy_bits=9 '
        'rather than 1, a lower temperature (0.01 has been used), a larger batch'
    )

    def __init__(
        self,
        *,
        dim: int,
        token_bits: Sequence[int] | None = None,
        commitment_weight: float = 0.0,
        entropy_weight: float = 0.1,
        diversity: float = 1.0,
        temperature: float = 1.0,
        entropy_bits: int = 9,
    ) -> None:
        super().__init__(
            dim=dim,
            token_bits=token_bits,
            commitment_weight=commitment_weight,
            entropy_weight=entropy_weight,
            diversity=diversity,
            temperature=temperature,
            entropy_bits=entropy_bits,
        )
        self.scale = dim**-0.5

    def project(self, latent: Tensor) -> Tensor:
        """Put a latent (b, d, h, w) on the unit sphere, at least float32."""
        latent = at_least_float32(latent)
        short = latent.detach().norm(dim=1, keepdim=True) <= SHORTEST
        # Their gradient would be divided by next to nothing.
        latent = torch.where(short, 0, latent)
        return functional.normalize(latent, dim=1, eps=SHORTEST)
