"""Vector quantization whose codes are moving averages (https://arxiv.org/abs/1906.00446)."""

import torch
from torch import Tensor

from vq.models.layers import at_least_float32
from vq.models.quantizers.gradients import Estimator
from vq.models.quantizers.search import Distance
from vq.models.quantizers.statistics import count_hits, sum_hits
from vq.models.quantizers.vector import Init, VectorQuantizer
from vq.registry import MODELS

RESTING = 1e-3  # latents a pass: a code that is chosen more rarely is left in peace


@MODELS.register_module()
class EMAQuantizer(VectorQuantizer):
    """Moves each code to the mean of its latents, an average over the last passes.

    N <- decay N + (1 - decay) n and m <- decay m + (1 - decay) s, where n latents of
    all ranks, of sum s, chose a code in this pass; the code becomes m / N, with N
    smoothed (Laplace) by `eps`. Latents are replaced by the codes from before the pass.
    The codebook is no matter of gradients: its own stays None.

    A code that nothing chooses keeps its place: N and m shrink alike, and once N is
    below `RESTING` both stay as they are, since with less the smoothing would draw the
    code to zero, and m / N be noise.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        distance: See VectorQuantizer.
        normalize: See VectorQuantizer; a code is then the direction of the mean.
        commitment_weight: Weight of the loss that moves latents to codes.
        decay: Of both averages, in [0, 1).
        eps: What each code's N gets on top, before all are scaled to their old sum.
        init: See VectorQuantizer.
        estimator: See VectorQuantizer.

    Raises:
        ValueError: `decay` is not in [0, 1), or as VectorQuantizer.
    """

    counts: Tensor
    sums: Tensor
    moved_by_passes = ('codebook',)
    advice = (
        "init='kmeans', revival (RevivalCallback), a lower decay (0.8 to 0.95), few "
        'dimensions, a larger batch'
    )

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        distance: Distance = 'l2',
        normalize: bool = False,
        commitment_weight: float = 0.25,
        decay: float = 0.99,
        eps: float = 1e-5,
        init: Init = 'normal',
        estimator: Estimator = 'straight_through',
    ) -> None:
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            distance=distance,
            normalize=normalize,
            codebook_weight=0.0,
            commitment_weight=commitment_weight,
            init=init,
            estimator=estimator,
        )
        check_decay(decay)
        self.decay = decay
        self.eps = eps

    def make_codebook(self) -> None:
        """Make, without values, codebook, counts (k,) and sums (k, d)."""
        super().make_codebook()
        self.register_buffer('counts', torch.empty(self.codebook_size))
        self.register_buffer('sums', torch.empty(self.codebook_size, self.dim))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw codes, each as if one latent a pass had chosen it, right where it is."""
        super().reset_parameters()
        self.counts.fill_(1)
        self.sums.copy_(self.codebook)

    def codes(self) -> Tensor:
        """Return all codes, without a gradient, at least float32, (k, d)."""
        return super().codes().detach()

    def learn(self, rows: Tensor, tokens: Tensor) -> None:
        """Move averages and codes; see VectorQuantizer."""
        hits = count_hits(tokens, self.codebook_size).to(rows.dtype)
        counts = average(self.counts, hits, self.decay)
        sums = average(
            self.sums, sum_hits(rows, tokens, self.codebook_size), self.decay
        )
        resting = counts < RESTING
        self.counts.copy_(torch.where(resting, self.counts, counts))
        self.sums.copy_(torch.where(resting[:, None], self.sums, sums))
        total = counts.sum()
        smooth = (counts + self.eps) * total / (total + self.codebook_size * self.eps)
        codes = sums / smooth.clamp(min=RESTING)[:, None]
        self.codebook.copy_(torch.where(resting[:, None], self.codebook, codes))

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put other codes into the codebook, and their averages in place.

        A new code begins as if chosen as often as a code is on average: less, and its
        first latents would carry it away; more, and they could not move it.
        """
        super().replace_codes(tokens, codes)
        count = self.counts.mean().clamp(min=RESTING)
        self.counts[tokens] = count
        self.sums[tokens] = count * self.codebook[tokens]


def average(old: Tensor, new: Tensor, decay: float) -> Tensor:
    """Return decay * old + (1 - decay) * new, at least float32; any equal shapes."""
    return at_least_float32(old) * decay + new * (1 - decay)


def check_decay(decay: float) -> None:
    """Raise a ValueError unless `decay` is that of a moving average."""
    if not 0 <= decay < 1:
        raise ValueError(f'decay must be in [0, 1), got {decay}')
