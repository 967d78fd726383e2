"""Index backpropagation quantization (https://arxiv.org/abs/2412.02692)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.search import BUDGET_BYTES
from vq.models.quantizers.vector import VectorQuantizer
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class IBQuantizer(VectorQuantizer):
    """Takes the code of the largest inner product, and lets every code learn from it.

    The value is exactly the code, the gradient is that of the mixture of all codes,
    weighted by the softmax of their inner products with the latent; what the chosen
    code gets of its own comes on top. So each code moves in each step; the paper has
    codebooks of 2^18 codes of 256 dimensions in use.

    The weights are made in chunks, as a search's scores are, and again in the backward
    pass: time is that of three searches and their gradients, memory some five chunks.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        propagation_weight: Weight of the loss between latent and quantized latent,
            whose gradient goes to the latent and, by the mixture, to all codes. A
            weight of 0 leaves a loss out.
        codebook_weight: Weight of the loss that moves the chosen code to the latent;
            the paper's beta.
        commitment_weight: Weight of the loss that moves the latent to its code.
        entropy_weight: Weight of the loss that makes each choice sure and all codes
            equally frequent, in training only.
        entropy_temperature: Of the soft assignment that this loss looks at.
        init: How the codebook begins: 'uniform' in [-1/k, 1/k], 'normal' for N(0, 1).

    Raises:
        ValueError: The init is unknown, or the temperature is not positive.
    """

    advice = (
        'a larger entropy_weight, fewer dimensions (32 are safer than 256), a larger '
        'batch, a lower learning rate of the generator'
    )
    learns_from_latent = True

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        propagation_weight: float = 1.0,
        codebook_weight: float = 0.25,
        commitment_weight: float = 1.0,
        entropy_weight: float = 0.05,
        entropy_temperature: float = 0.01,
        init: Literal['uniform', 'normal'] = 'uniform',
    ) -> None:
        if init not in ('uniform', 'normal'):
            raise ValueError(f"init must be 'uniform' or 'normal', got {init!r}")
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            distance='inner',
            codebook_weight=codebook_weight,
            commitment_weight=commitment_weight,
            entropy_weight=entropy_weight,
            entropy_temperature=entropy_temperature,
            init=init,
        )
        self.propagation_weight = propagation_weight

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized` for what comes back."""
        result = super().forward(latent)
        if self.propagation_weight:
            with full_precision(latent):
                loss = functional.mse_loss(result.latent, at_least_float32(latent))
                loss = self.propagation_weight * loss
            result.losses['propagation_loss'] = loss
        return result

    def estimate(self, rows: Tensor, codes: Tensor, codebook: Tensor) -> Tensor:
        """Return `codes` with the gradient of the mixture added to their own."""
        if not torch.is_grad_enabled():
            return codes
        mixture = mixture_of_codes(rows, codebook)
        return codes + (mixture - mixture.detach())


def mixture_of_codes(
    rows: Tensor, codebook: Tensor, *, budget_bytes: int = BUDGET_BYTES
) -> Tensor:
    """Return the mean code by the softmax of inner products, (n, d).

    The weights get a gradient, the codes that they weigh do not.

    Args:
        rows: Latents, (n, d), at least float32.
        codebook: (k, d), likewise.
        budget_bytes: How large a matrix of chunk and codes may be; more rows are
            mixed in chunks, with the same result, and again in the backward pass.
    """
    chunk = max(1, budget_bytes // (len(codebook) * rows.element_size()))
    parts = torch.split(rows, chunk)
    if len(parts) == 1:
        return _mix(rows, codebook)
    return torch.cat(
        [
            checkpoint(
                _mix, part, codebook, use_reentrant=False, preserve_rng_state=False
            )
            for part in parts
        ]
    )


def _mix(rows: Tensor, codebook: Tensor) -> Tensor:
    # Here, not around the call: the backward pass comes here again.
    with full_precision(rows):
        return (rows @ codebook.T).softmax(-1) @ codebook.detach()
