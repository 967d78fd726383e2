"""Codes drawn by Gumbel-softmax (https://arxiv.org/abs/1611.01144)."""

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.base import Quantizer
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class GumbelQuantizer(Quantizer):
    """Scores all codes at each position and draws one, as DALL-E and a VQGAN do.

    In training a code is drawn with Gumbel noise; in evaluation the likeliest is taken.
    The gradient is that of the mixture of all codes, whose weights are the softmax of
    the noisy scores over the temperature. All maths is in float32, under autocast too.
    It holds some matrices of positions x codes: 0.4 GB each for 12 images of 32x32
    tokens and 8,192 codes.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a quantized latent.
        in_dim: Channels of the latent to be quantized; `dim` by default.
        temperature: Of the mixture; AnnealCallback lets it fall in training.
        kl_weight: Weight of the divergence of the scores from a uniform choice.
        straight_through: Give one code in training; False gives the mixture.
        eval_noise: Draw in evaluation, too, as the published VQGAN does: `forward`
            then differs from call to call. `latent_to_tokens` never draws.

    Raises:
        ValueError: The temperature is not positive.
    """

    advice = (
        'a larger kl_weight, a temperature that falls more slowly (AnnealCallback), a '
        'lower learning rate of the generator'
    )
    learns_from_latent = True

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        in_dim: int | None = None,
        temperature: float = 1.0,
        kl_weight: float = 5e-4,
        straight_through: bool = True,
        eval_noise: bool = False,
    ) -> None:
        super().__init__(codebook_size=codebook_size, dim=dim, in_dim=in_dim)
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature
        self.kl_weight = kl_weight
        self.straight_through = straight_through
        self.eval_noise = eval_noise
        self.proj = nn.Conv2d(self.in_dim, codebook_size, 1)
        self.codebook = nn.Parameter(torch.empty(codebook_size, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the codebook from N(0, 1), the scores' weights as a convolution's."""
        self.proj.reset_parameters()
        nn.init.normal_(self.codebook)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, in_dim, h, w); see `Quantized` for what comes back."""
        with full_precision(latent):
            logits = self.logits(latent)
            noisy = logits
            if self.training or self.eval_noise:
                noisy = logits + self._noise(logits)
            tokens = noisy.argmax(-1)
            codebook = at_least_float32(self.codebook)
            weights = (noisy / self.temperature).softmax(-1)
            if self.straight_through or not self.training:
                # The value is exactly a code; the scores get the mixture's gradient,
                # and the code the whole of its own.
                mixture = weights @ codebook.detach()
                codes = functional.embedding(tokens, codebook)
                quantized = codes + (mixture - mixture.detach())
            else:
                quantized = weights @ codebook
            kl_loss = self.kl_weight * _divergence_from_uniform(logits)
        return Quantized(
            latent=rearrange(quantized, 'b h w d -> b d h w'),
            tokens=tokens,
            losses=dict(kl_loss=kl_loss),
        )

    def logits(self, latent: Tensor) -> Tensor:
        """Score the codes at each position: (b, in_dim, h, w) to (b, h, w, k)."""
        with full_precision(latent):
            positions = rearrange(at_least_float32(latent), 'b c h w -> b h w c')
            # Not by calling the convolution: it may compute in TF32.
            weight = rearrange(self.proj.weight, 'k c 1 1 -> k c')
            assert self.proj.bias is not None
            return functional.linear(
                positions, at_least_float32(weight), at_least_float32(self.proj.bias)
            )

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to its likeliest tokens (b, h, w), int64."""
        return self.logits(latent).argmax(-1)

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
        codes = functional.embedding(tokens, at_least_float32(self.codebook))
        return rearrange(codes, 'b h w d -> b d h w')

    def _noise(self, logits: Tensor) -> Tensor:
        """Draw from the Gumbel distribution, in the shape of the logits."""
        return -torch.empty_like(logits).exponential_().log()


def _divergence_from_uniform(logits: Tensor) -> Tensor:
    """Return the mean of KL(softmax(logits) || uniform) for logits (b, h, w, k)."""
    log_shares = logits.log_softmax(-1)
    excess = log_shares + math.log(logits.shape[-1])
    return (log_shares.exp() * excess).sum(-1).mean()
