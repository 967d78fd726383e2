"""VQ-KD's codebook: moving averages on the sphere (https://arxiv.org/abs/2208.06366)."""

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32
from vq.models.quantizers.ema import average, check_decay
from vq.models.quantizers.gradients import Estimator
from vq.models.quantizers.statistics import count_hits, sum_hits
from vq.models.quantizers.vector import Init, VectorQuantizer
from vq.registry import MODELS


@MODELS.register_module()
class NormEMAQuantizer(VectorQuantizer):
    """Keeps latents and codes on the unit sphere, and turns codes to their latents.

    The mean of the latents, of all ranks, that chose a code in this pass is put on the
    sphere; decay * code + (1 - decay) * mean, put there again, is the new code. A code
    that nothing chose stays. However many latents it had weighs nothing, unlike in
    EMAQuantizer. The codebook is no matter of gradients: its own stays None.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        commitment_weight: Weight of the loss that moves latents to codes.
        decay: Of the average, in [0, 1).
        update_first: Move codes before, not after, they replace the pass's latents.
        init: See VectorQuantizer.
        estimator: See VectorQuantizer.

    Attributes:
        counts: How many latents chose each code, averaged over passes alike; nothing
            depends on it, (k,).

    Raises:
        ValueError: `decay` is not in [0, 1), or as VectorQuantizer.
    """

    counts: Tensor
    moved_by_passes = ('codebook',)
    advice = (
        "init='kmeans' on a large batch, revival (RevivalCallback), few dimensions (32 "
        'in the paper), a lower decay'
    )

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        commitment_weight: float = 1.0,
        decay: float = 0.99,
        update_first: bool = False,
        init: Init = 'kmeans',
        estimator: Estimator = 'straight_through',
    ) -> None:
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            normalize=True,
            codebook_weight=0.0,
            commitment_weight=commitment_weight,
            init=init,
            estimator=estimator,
        )
        check_decay(decay)
        self.decay = decay
        self.update_first = update_first
        self.register_buffer('counts', torch.zeros(codebook_size))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw codes, and put them on the sphere."""
        super().reset_parameters()
        self.codebook.copy_(functional.normalize(self.codebook, dim=-1))

    def codes(self) -> Tensor:
        """Return all codes, without a gradient, at least float32, (k, d)."""
        return super().codes().detach()

    def learn(self, rows: Tensor, tokens: Tensor) -> None:
        """Turn codes to their latents; see VectorQuantizer."""
        hits = count_hits(tokens, self.codebook_size).to(rows.dtype)
        self.counts.copy_(average(self.counts, hits, self.decay))
        # On the sphere the mean and the sum are one.
        means = functional.normalize(sum_hits(rows, tokens, self.codebook_size), dim=-1)
        codes = average(functional.normalize(self.codes(), dim=-1), means, self.decay)
        codes = functional.normalize(codes, dim=-1)
        self.codebook.copy_(torch.where(hits[:, None] > 0, codes, self.codebook))

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put other codes, of length 1, into the codebook, used like all on average."""
        codes = functional.normalize(at_least_float32(codes), dim=-1)
        super().replace_codes(tokens, codes)
        self.counts[tokens] = self.counts.mean()
