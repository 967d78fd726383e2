"""CVQ-VAE: unused codes move to latents (https://arxiv.org/abs/2307.15139)."""

from typing import Any

import torch
from torch import Tensor

from vq import distributed
from vq.models.layers import at_least_float32
from vq.models.quantizers import anchors
from vq.models.quantizers.anchors import ANCHORS, Anchor
from vq.models.quantizers.ema import average, check_decay
from vq.models.quantizers.gradients import Estimator
from vq.models.quantizers.search import Distance
from vq.models.quantizers.statistics import count_hits
from vq.models.quantizers.vector import Init, VectorQuantizer, check_choice
from vq.registry import MODELS

SHARPNESS = 10.0  # of the step from unused to used, in shares of an even usage


@MODELS.register_module()
class CVQuantizer(VectorQuantizer):
    """Trains codes by gradients, and moves the unused ones to where the latents are.

    p, the share of the latents that choose a code, is averaged over passes. Each pass
    takes every code a share alpha of the way to its anchor, one of the latents, where
    alpha = exp(-10 k p / (1 - decay) - 0.001) (eq. 3 and 4 of the paper): all but the
    whole way for a code that has not been chosen, no way for one that has.

    With commitment_weight=0 on the latents of a frozen encoder this is an online
    k-means that revives dead clusters, Cluster of https://arxiv.org/abs/2411.04406.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        distance: See VectorQuantizer; anchors are chosen by it, too.
        codebook_weight: Weight of the loss that moves codes to latents.
        commitment_weight: Weight of the loss that moves latents to codes.
        decay: Of the average p, in [0, 1).
        anchor: Which latent is a code's anchor: the 'nearest' one; one of a 'random'
            pool of k, renewed in each pass; or a 'probabilistic' one, drawn for each
            code, near ones the likelier.
        sync: Choose among the latents of all ranks. Otherwise each rank chooses among
            its own, and the mean over ranks is the anchor: less to send, but a mean of
            latents may be far from any.
        contrastive_weight: Weight of the loss that makes codes like their nearest
            latents and unlike far ones, in training only.
        contrastive_temperature: Of its cross entropy.
        first_batch_only: Move codes to anchors in the first training pass only, a kind
            of initialisation.
        update_first: Move codes before, not after, they replace the pass's latents.
        init: See VectorQuantizer.
        estimator: See VectorQuantizer.

    Raises:
        ValueError: `anchor` is unknown, `decay` is not in [0, 1), the temperature is
            not positive, or as VectorQuantizer.
    """

    probability: Tensor
    anchored: Tensor
    pool: Tensor
    pooled: Tensor
    advice = (
        "sync=True, anchor='nearest', distance='cosine', a larger batch, a lower "
        'learning rate of the generator'
    )

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        distance: Distance = 'cosine',
        codebook_weight: float = 1.0,
        commitment_weight: float = 0.25,
        decay: float = 0.99,
        anchor: Anchor = 'nearest',
        sync: bool = True,
        contrastive_weight: float = 0.0,
        contrastive_temperature: float = 0.07,
        first_batch_only: bool = False,
        update_first: bool = False,
        init: Init = 'uniform',
        estimator: Estimator = 'straight_through',
    ) -> None:
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            distance=distance,
            codebook_weight=codebook_weight,
            commitment_weight=commitment_weight,
            init=init,
            estimator=estimator,
        )
        check_decay(decay)
        check_choice('anchor', anchor, ANCHORS)
        if contrastive_temperature <= 0:
            raise ValueError(
                f'contrastive_temperature must be > 0, got {contrastive_temperature}'
            )
        self.decay = decay
        self.anchor: Anchor = anchor
        self.sync = sync
        self.contrastive_weight = contrastive_weight
        self.contrastive_temperature = contrastive_temperature
        self.first_batch_only = first_batch_only
        self.update_first = update_first
        self.register_buffer('probability', torch.zeros(codebook_size))
        self._anchored = False
        if first_batch_only:
            self.register_buffer('anchored', torch.tensor(False))
        if anchor == 'random':
            # Noise of the codes' own kind, until there are latents.
            noise = (2 * torch.rand(codebook_size, dim) - 1) / codebook_size
            self.register_buffer('pool', noise)
            self.register_buffer('pooled', torch.tensor(0))

    def codes(self) -> Tensor:
        """Return all codes, with their gradient, at least float32, (k, d)."""
        codes = super().codes()
        # The contrastive loss keeps them, and then they move.
        return codes.clone() if self.learning else codes

    def losses(
        self, rows: Tensor, codes: Tensor, codebook: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted losses; see VectorQuantizer."""
        losses = super().losses(rows, codes, codebook)
        if self.contrastive_weight and self.training:
            loss = anchors.contrastive_loss(
                codebook,
                distributed.cat(rows.detach()) if self.sync else rows,
                distance=self.distance,
                temperature=self.contrastive_temperature,
            )
            losses['contrastive_loss'] = self.contrastive_weight * loss
        return losses

    def learn(self, rows: Tensor, tokens: Tensor) -> None:
        """Average the usage, and move unused codes to anchors; see VectorQuantizer."""
        hits = count_hits(tokens, self.codebook_size)
        share = hits.to(rows.dtype) / hits.sum().clamp(min=1)
        probability = average(self.probability, share, self.decay)
        self.probability.copy_(probability)
        if self.first_batch_only and self._first_batch_is_over():
            return
        alpha = torch.exp(
            -SHARPNESS * self.codebook_size * probability / (1 - self.decay) - 1e-3
        )
        # A copy, since torch.compile cannot follow two names of what is written to.
        codes = at_least_float32(self.codebook.detach()).clone()
        steps = alpha[:, None] * (self._anchors(codes, rows) - codes)
        self.codebook.copy_(codes + steps)

    def _first_batch_is_over(self) -> bool:
        """Tell whether this is no more the first batch; asked once a batch."""
        if not self._anchored:  # else nobody waits for the device
            self._anchored = bool(self.anchored)
            self.anchored.fill_(True)
        return self._anchored

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._anchored = False

    def _anchors(self, codes: Tensor, rows: Tensor) -> Tensor:
        """Return each code's anchor, the same on all ranks, (k, d)."""
        if self.sync:
            rows = distributed.cat(rows)
        if self.anchor == 'random':
            return self._renew_pool(rows)
        choose = (
            anchors.nearest_rows if self.anchor == 'nearest' else anchors.probable_rows
        )
        chosen = choose(codes, rows, distance=self.distance)
        if self.sync:
            return rows[distributed.from_main(chosen)]
        return distributed.mean(rows[chosen])

    def _renew_pool(self, rows: Tensor) -> Tensor:
        """Put latents into the pool, and return it, the same on all ranks, (k, d)."""
        size = self.codebook_size
        if len(rows) > size:
            pool = rows[anchors.random_rows(size, rows)]
        else:
            # Into places that are still free, or else into drawn ones.
            places = torch.arange(size, device=rows.device)
            free = (self.pooled + places) % size
            drawn = anchors.shuffled(size, rows.device)
            places = torch.where(self.pooled < size, free, drawn)[: len(rows)]
            pool = at_least_float32(self.pool).index_copy(0, places, rows)
        pool = distributed.from_main(pool)
        self.pool.copy_(pool)
        self.pooled.add_(len(rows)).clamp_(max=size)
        return pool

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put other codes into the codebook, which count as used like all on average.

        Counted as unused they would go to an anchor before a latent can choose them.
        """
        super().replace_codes(tokens, codes)
        self.probability[tokens] = 1 / self.codebook_size
