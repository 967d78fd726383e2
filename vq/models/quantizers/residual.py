"""Residual quantization: each code refines the sum of those before (https://arxiv.org/abs/2203.01941)."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.base import Quantizer, to_latent, to_rows
from vq.models.quantizers.gradients import ESTIMATORS, Estimator
from vq.models.quantizers.subtokens import join_tokens, mean_losses, split_tokens
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class ResidualQuantizer(Quantizer):
    """Quantizes a latent, then what is left of it, and so on (eq. 4 to 7 of the paper).

    The quantized latent is the sum of the codes of all depths. A position has the
    sub-tokens of all depths, the coarsest first, (b, h, w, depth); of one depth, what
    its quantizer gives. The losses are the mean over depths: those of a depth, between
    what was left and its code, are those between the latent and the sum up to there.

    A shared codebook of moving averages moves after each depth, as in the paper's code.
    Families whose codes are fixed (FSQ, LFQ, BSQ) add little with depth: their codes do
    not shrink as the residual does.

    Args:
        quantizer: Config of a depth's quantizer, of any family of equal channels in
            and out.
        depth: Number of depths D.
        shared: Let all depths have the one codebook, as in the paper; False gives each
            its own.
        dropout: Probability that an image, in training, is given only its first n
            depths, n drawn from 1 to D ("quantizer dropout",
            https://arxiv.org/abs/2107.03312): a prefix of the tokens can then be
            decoded. Only the quantized latent leaves the others out: their tokens stay
            valid and their codebooks learn, where other implementations mark these
            tokens by -1 and train on fewer.
        estimator: How the latent gets the gradient of the sum: 'straight_through',
            'rotation' for the rotation trick, or 'own' for the sum of the depths' own
            gradients, which families need that learn from it (Gumbel, IBQ). The one
            that the depths' quantizer may have counts with 'own' only.

    Raises:
        ValueError: An argument is out of range, the quantizer changes the number of
            channels, or it learns from a gradient that the estimator keeps from it.
    """

    def __init__(
        self,
        *,
        quantizer: Mapping[str, Any],
        depth: int = 4,
        shared: bool = True,
        dropout: float = 0.0,
        estimator: Estimator | Literal['own'] = 'straight_through',
    ) -> None:
        _check(depth, dropout, estimator)
        number = 1 if shared else depth
        parts: list[Quantizer] = [MODELS.build(quantizer) for _ in range(number)]
        _check_part(parts[0], estimator)
        super().__init__(
            codebook_size=parts[0].codebook_size ** depth,
            dim=parts[0].dim,
            token_sizes=parts[0].token_sizes * depth,
        )
        self.depth = depth
        self.dropout = dropout
        self.estimator = estimator
        self.learns_from_latent = parts[0].learns_from_latent
        self.advice = f'at each of the {depth} depths: {parts[0].advice}'
        self.quantizers = nn.ModuleList(parts)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized` for what comes back."""
        latent = residual = at_least_float32(latent)
        results: list[Quantized] = []
        for quantizer in self._quantizers():
            result: Quantized = quantizer(residual)
            results.append(result)
            residual = residual - result.latent.detach()
        return Quantized(
            latent=self._sum(latent, [result.latent for result in results]),
            tokens=join_tokens([result.tokens for result in results]),
            losses=mean_losses([result.losses for result in results]),
        )

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w, ...), int64."""
        residual, tokens = at_least_float32(latent), []
        for quantizer in self._quantizers():
            tokens.append(quantizer.latent_to_tokens(residual))
            residual = residual - quantizer.tokens_to_latent(tokens[-1])
        return join_tokens(tokens)

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to their quantized latent (b, d, h, w).

        The first depths' sub-tokens are enough: they give a coarser latent.

        Raises:
            ValueError: The sub-tokens are not those of whole depths.
        """
        parts = split_tokens(tokens, self._quantizers(), partly=True)
        pairs = zip(self._quantizers(), parts, strict=False)
        first, *others = [quantizer.tokens_to_latent(part) for quantizer, part in pairs]
        return sum(others, start=first)

    def _quantizers(self) -> list[Quantizer]:
        """Return the quantizers of all depths, the one for each if it is shared."""
        parts: list[Quantizer] = list(self.quantizers)  # type: ignore[arg-type]
        return parts if len(parts) == self.depth else parts * self.depth

    def _sum(self, latent: Tensor, codes: list[Tensor]) -> Tensor:
        """Add up the depths' codes (b, d, h, w) that count, with their gradient."""
        if self.training and self.dropout:
            codes = self._drop(codes)
        first, *others = codes
        total = sum(others, start=first)
        if self.estimator == 'own':
            return total
        with full_precision(latent):
            rows = ESTIMATORS[self.estimator](to_rows(latent), to_rows(total))
        return to_latent(rows, latent)

    def _drop(self, codes: list[Tensor]) -> list[Tensor]:
        """Put zeros for the codes of the depths that do not count for an image."""
        images, device = len(codes[0]), codes[0].device
        dropped = torch.rand(images, device=device) < self.dropout
        number = torch.randint(1, self.depth + 1, (images,), device=device)
        number = torch.where(dropped, number, self.depth)
        number = rearrange(number, 'b -> b 1 1 1')
        return [
            torch.where(depth < number, code, torch.zeros_like(code))
            for depth, code in enumerate(codes)
        ]


def _check(depth: int, dropout: float, estimator: str) -> None:
    if depth < 1:
        raise ValueError(f'depth must be >= 1, got {depth}')
    if not 0 <= dropout <= 1:
        raise ValueError(f'dropout must be in [0, 1], got {dropout}')
    if estimator not in (*ESTIMATORS, 'own'):
        known = ', '.join(repr(name) for name in (*ESTIMATORS, 'own'))
        raise ValueError(f'estimator must be one of {known}, got {estimator!r}')


def _check_part(quantizer: Quantizer, estimator: str) -> None:
    name = type(quantizer).__name__
    if quantizer.in_dim != quantizer.dim:
        raise ValueError(
            f'{name} takes {quantizer.in_dim} channels and gives {quantizer.dim}: '
            'its codes cannot be subtracted from what it quantizes; give it equal ones'
        )
    if quantizer.learns_from_latent and estimator != 'own':
        raise ValueError(
            f'{name} learns from the gradient of its quantized latent, which '
            f"estimator={estimator!r} would keep from it; use estimator='own'"
        )
