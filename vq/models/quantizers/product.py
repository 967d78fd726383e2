"""Product quantization: groups of channels, a codebook each (https://arxiv.org/abs/2412.01762)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vq.models.quantizers.base import Quantizer
from vq.models.quantizers.subtokens import join_tokens, mean_losses, split_tokens
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class ProductQuantizer(Quantizer):
    """Splits the channels in groups and quantizes each by itself.

    With k codes a group there are k^g in all: a huge codebook of small ones that are
    easily kept in use. A position has the sub-tokens of all groups, (b, h, w, g); of
    one group, what its quantizer gives. The losses are the mean of the groups'.

    Args:
        quantizer: Config of a group's quantizer, of any family; its `dim` is that of a
            group. Each group has one of its own.
        groups: Number of groups g.

    Raises:
        ValueError: There is not even one group.
    """

    def __init__(self, *, quantizer: Mapping[str, Any], groups: int = 2) -> None:
        if groups < 1:
            raise ValueError(f'groups must be >= 1, got {groups}')
        parts: list[Quantizer] = [MODELS.build(quantizer) for _ in range(groups)]
        super().__init__(
            codebook_size=parts[0].codebook_size ** groups,
            dim=parts[0].dim * groups,
            in_dim=parts[0].in_dim * groups,
            token_sizes=parts[0].token_sizes * groups,
        )
        self.groups = groups
        self.learns_from_latent = parts[0].learns_from_latent
        self.advice = f'for each of the {groups} groups: {parts[0].advice}'
        self.quantizers = nn.ModuleList(parts)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, in_dim, h, w); see `Quantized` for what comes back."""
        results: list[Quantized] = [
            quantizer(part) for quantizer, part in self._split(latent)
        ]
        return Quantized(
            latent=torch.cat([result.latent for result in results], dim=1),
            tokens=join_tokens([result.tokens for result in results]),
            losses=mean_losses([result.losses for result in results]),
        )

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to tokens (b, h, w, ...), int64."""
        return join_tokens(
            [
                quantizer.latent_to_tokens(part)
                for quantizer, part in self._split(latent)
            ]
        )

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to their quantized latent (b, d, h, w).

        Raises:
            ValueError: There are more or fewer sub-tokens than this quantizer has.
        """
        quantizers = self._quantizers()
        parts = zip(quantizers, split_tokens(tokens, quantizers), strict=True)
        latents = [quantizer.tokens_to_latent(part) for quantizer, part in parts]
        return torch.cat(latents, dim=1)

    def project(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to where the codes of its groups lie."""
        parts = [quantizer.project(part) for quantizer, part in self._split(latent)]
        return torch.cat(parts, dim=1)

    def _quantizers(self) -> list[Quantizer]:
        return list(self.quantizers)  # type: ignore[arg-type]

    def _split(self, latent: Tensor) -> list[tuple[Quantizer, Tensor]]:
        """Return each group's quantizer and its part of a latent."""
        parts = torch.split(latent, self.in_dim // self.groups, dim=1)
        return list(zip(self._quantizers(), parts, strict=True))
