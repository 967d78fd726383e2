"""Mini-batch k-means: codes are means of latents (https://doi.org/10.1145/1772690.1772862)."""

from typing import Literal

import torch
from torch import Tensor

from vq import distributed
from vq.models.layers import at_least_float32
from vq.models.quantizers.kmeans import STARTS, Start, kmeans
from vq.models.quantizers.revival import random_rows
from vq.models.quantizers.statistics import count_hits, sum_hits
from vq.models.quantizers.vector import VectorQuantizer, check_choice
from vq.registry import MODELS

WAIT = 10  # latents a code, from one look at rare codes to the next


@MODELS.register_module()
class KMeansQuantizer(VectorQuantizer):
    """Moves each code to the mean of all latents that ever chose it, on all ranks.

    A pass in which n latents of mean m choose a code that N had chosen takes it a share
    n / (N + n) of the way to m: Sculley's learning rate, which falls as 1 / N. Latents
    are replaced by the codes from before the pass. There are no losses: the passes
    themselves are the training, and no optimizer is needed.

    On the unit sphere (distance='cosine', spherical k-means) a code is kept as the mean
    of unit latents, and it is its direction that is looked up.

    The first pass begins it, with drawn latents of all ranks; `KMeansCallback` begins
    it with those of several. Such a code has no past: N is 0, and the first latents
    that choose it carry it to their mean.

    Each time that 10 latents a code have passed, the codes that were chosen the least
    are moved to drawn latents of that pass, half of them at most. A moved code gets the
    smallest N of the others. scikit-learn does so, too, but asks for a share of the
    largest N: of uneven clusters that moves most codes, again and again.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        distance: 'l2', or 'cosine' for the sphere.
        start: The first codes: 'random' latents, or 'kmeans++', which are far from each
            other.
        seed: Of all draws.
        reassign: Share of the mean N below which a code is moved, in [0, 1); 0 moves
            none.

    Raises:
        ValueError: The distance or the start is unknown, or `reassign` out of range.
    """

    counts: Tensor
    waiting: Tensor
    moved_by_passes = ('codebook',)
    advice = (
        "start='kmeans++', a start with several batches (KMeansCallback), a larger "
        '`reassign`, a larger batch'
    )

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        distance: Literal['l2', 'cosine'] = 'l2',
        start: Start = 'kmeans++',
        seed: int = 0,
        reassign: float = 0.1,
    ) -> None:
        check_choice('distance', distance, ('l2', 'cosine'))
        check_choice('start', start, STARTS)
        if not 0 <= reassign < 1:
            raise ValueError(f'reassign must be in [0, 1), got {reassign}')
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            normalize=distance == 'cosine',
            codebook_weight=0.0,
            commitment_weight=0.0,
            init='kmeans',
        )
        self.start: Start = start
        self.seed = seed
        self.reassign = reassign
        counts = torch.zeros(codebook_size, dtype=torch.int64)
        self.register_buffer('counts', counts)
        self.register_buffer('waiting', torch.tensor(0))  # latents since codes moved

    def codes(self) -> Tensor:
        """Return all codes, without a gradient, at least float32, (k, d)."""
        return super().codes().detach()

    def first_codes(self, rows: Tensor, number: int) -> Tensor:
        """Return drawn latents; see VectorQuantizer."""
        start, _ = kmeans(rows, number, rounds=0, start=self.start, seed=self.seed)
        return start

    def learn(self, rows: Tensor, tokens: Tensor) -> None:
        """Move codes towards their latents; see VectorQuantizer."""
        hits = count_hits(tokens, self.codebook_size)
        sums = sum_hits(rows, tokens, self.codebook_size)
        self.counts.add_(hits)
        codes = at_least_float32(self.codebook.detach())
        steps = sums - hits[:, None] * codes
        steps = steps / self.counts.clamp(min=1)[:, None]
        self.codebook.copy_(codes + steps)
        self.waiting.add_(hits.sum())
        if self.reassign and self.waiting >= WAIT * self.codebook_size:
            self._reassign(rows[tokens < self.codebook_size])

    def _reassign(self, rows: Tensor) -> None:
        """Move the codes that were chosen the least to latents (n, d) of all ranks."""
        rows = distributed.cat(rows)
        order = self.counts.argsort(stable=True)
        few = self.counts[order] < self.reassign * self.counts.double().mean()
        tokens = order[few][: len(rows) // 2]
        seed = self.seed + int(self.counts.sum())  # another one each time
        drawn = random_rows(len(rows), len(tokens), seed=seed)
        self.codebook[tokens] = rows[drawn.to(rows.device)].to(self.codebook.dtype)
        self.counts[tokens] = self.counts[order[len(tokens)]].clone()
        self.waiting.zero_()

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put other codes into the codebook, which no latent has chosen yet."""
        super().replace_codes(tokens, codes)
        self.counts[tokens] = 0
