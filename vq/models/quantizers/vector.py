"""Vector quantization with a learnt codebook (https://arxiv.org/abs/1711.00937)."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.base import Quantizer, straight_through
from vq.models.quantizers.entropy import entropy_loss
from vq.models.quantizers.search import Distance, nearest_code
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class VectorQuantizer(Quantizer):
    """Replaces each latent by its nearest code (eq. 1 to 3 of the paper).

    All maths is in float32, under autocast too.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        distance: 'l2', or 'cosine' for the smallest angle.
        normalize: Put latents and codes on the unit sphere, for the search, the losses
            and the result (LlamaGen, https://arxiv.org/abs/2406.06525).
        codebook_weight: Weight of the loss that moves codes to latents.
        commitment_weight: Weight of the loss that moves latents to codes.
        legacy_beta: Swap the two weights, as the published VQGANs were trained:
            there 0.25 is the weight of the codebook loss.
        entropy_weight: Weight of LlamaGen's loss that makes each choice sure and all
            codes equally frequent, in training only; 0 leaves it out. See
            `vq.models.quantizers.entropy` for what it costs.
        entropy_temperature: Of the soft assignment that this loss looks at.

    Raises:
        ValueError: The distance is unknown, or the temperature is not positive.
    """

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        distance: Distance = 'l2',
        normalize: bool = False,
        codebook_weight: float = 1.0,
        commitment_weight: float = 0.25,
        legacy_beta: bool = False,
        entropy_weight: float = 0.0,
        entropy_temperature: float = 0.01,
    ) -> None:
        super().__init__(codebook_size=codebook_size, dim=dim)
        if distance not in ('l2', 'cosine'):
            raise ValueError(f"distance must be 'l2' or 'cosine', got {distance!r}")
        if entropy_temperature <= 0:
            raise ValueError(
                f'entropy_temperature must be > 0, got {entropy_temperature}'
            )
        if legacy_beta:
            codebook_weight, commitment_weight = commitment_weight, codebook_weight
        self.distance: Distance = distance
        self.normalize = normalize
        self.codebook_weight = codebook_weight
        self.commitment_weight = commitment_weight
        self.entropy_weight = entropy_weight
        self.entropy_temperature = entropy_temperature
        self.codebook = nn.Parameter(torch.empty(codebook_size, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the codebook from U(-1/k, 1/k)."""
        bound = 1 / self.codebook_size
        nn.init.uniform_(self.codebook, -bound, bound)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized` for what comes back."""
        batch, _, height, _ = latent.shape
        with full_precision(latent):
            rows = self._on_sphere(rearrange(latent, 'b d h w -> (b h w) d'))
            tokens = self._search(rows)
            codes = self._on_sphere(functional.embedding(tokens, self.codebook))
            codebook_loss = functional.mse_loss(codes, rows.detach())
            commitment_loss = functional.mse_loss(rows, codes.detach())
            losses = dict(
                codebook_loss=self.codebook_weight * codebook_loss,
                commitment_loss=self.commitment_weight * commitment_loss,
            )
            if self.entropy_weight and self.training:
                losses['entropy_loss'] = self.entropy_weight * self._entropy_loss(rows)
            quantized = straight_through(rows, codes)
        return Quantized(
            latent=rearrange(quantized, '(b h w) d -> b d h w', b=batch, h=height),
            tokens=rearrange(tokens, '(b h w) -> b h w', b=batch, h=height),
            losses=losses,
        )

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w), int64."""
        batch, _, height, _ = latent.shape
        tokens = self._search(rearrange(latent, 'b d h w -> (b h w) d'))
        return rearrange(tokens, '(b h w) -> b h w', b=batch, h=height)

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
        codes = self._on_sphere(functional.embedding(tokens, self.codebook))
        return rearrange(codes, 'b h w d -> b d h w')

    def _entropy_loss(self, rows: Tensor) -> Tensor:
        codes = self._on_sphere(self.codebook)
        if self.distance == 'cosine':
            rows, codes = (functional.normalize(x, dim=-1) for x in (rows, codes))
        return entropy_loss(rows, codes, temperature=self.entropy_temperature)

    def _search(self, rows: Tensor) -> Tensor:
        distance: Distance = 'cosine' if self.normalize else self.distance
        return nearest_code(rows, self.codebook, distance=distance)

    def _on_sphere(self, rows: Tensor) -> Tensor:
        rows = at_least_float32(rows)
        return functional.normalize(rows, dim=-1) if self.normalize else rows
