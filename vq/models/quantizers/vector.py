"""Vector quantization with a learnt codebook (https://arxiv.org/abs/1711.00937)."""

import logging
from collections.abc import Iterable
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vq import distributed
from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.base import Quantizer, to_grid, to_latent, to_rows
from vq.models.quantizers.entropy import entropy_loss
from vq.models.quantizers.gradients import ESTIMATORS, Estimator
from vq.models.quantizers.kmeans import kmeans
from vq.models.quantizers.search import DISTANCES, Distance, nearest_code
from vq.registry import MODELS
from vq.types import Quantized

_logger = logging.getLogger(__name__)
Init = Literal['uniform', 'normal', 'kmeans']
INITS = ('uniform', 'normal', 'kmeans')


@MODELS.register_module()
class VectorQuantizer(Quantizer):
    """Replaces each latent by its nearest code (eq. 1 to 3 of the paper).

    All maths is in float32, under autocast too. What other families change they
    override: `make_codebook` and `codes` (what the codes are), `losses`, `estimate`
    (how gradients pass), `learn` (how the codebook moves other than by gradients)
    and, where that keeps statistics, `replace_codes`.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        distance: 'l2', 'cosine' for the smallest angle, 'inner' for the largest inner
            product.
        normalize: Put latents and codes on the unit sphere, for the search, the losses
            and the result (LlamaGen, https://arxiv.org/abs/2406.06525).
        codebook_weight: Weight of the loss that moves codes to latents. A weight of 0
            leaves a loss out.
        commitment_weight: Weight of the loss that moves latents to codes.
        legacy_beta: Swap the two weights, as the published VQGANs were trained:
            there 0.25 is the weight of the codebook loss.
        entropy_weight: Weight of LlamaGen's loss that makes each choice sure and all
            codes equally frequent, in training only. See
            `vq.models.quantizers.entropy` for what it costs.
        entropy_temperature: Of the soft assignment that this loss looks at.
        init: How the codebook begins: 'uniform' in [-1/k, 1/k], 'normal' for N(0, 1),
            'kmeans' for the centres of the latents of the first training batch, of all
            ranks.
        estimator: How latents get their gradient: 'straight_through', or 'rotation'
            for the rotation trick (https://arxiv.org/abs/2410.06424).

    Raises:
        ValueError: A distance, an init or an estimator is unknown, or the temperature
            is not positive.
    """

    codebook: Tensor
    initialized: Tensor
    advice = (
        'few dimensions on the unit sphere (dim 8 with normalize=True), revival '
        "(RevivalCallback), init='kmeans', a larger batch, a lower learning rate of "
        'the generator'
    )

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
        init: Init = 'uniform',
        estimator: Estimator = 'straight_through',
    ) -> None:
        super().__init__(codebook_size=codebook_size, dim=dim)
        check_choice('distance', distance, DISTANCES)
        check_choice('init', init, INITS)
        check_choice('estimator', estimator, ESTIMATORS)
        if entropy_temperature <= 0:
            raise ValueError(
                f'entropy_temperature must be > 0, got {entropy_temperature}'
            )
        if legacy_beta:
            codebook_weight, commitment_weight = commitment_weight, codebook_weight
        self.distance: Distance = 'cosine' if normalize else distance
        self.normalize = normalize
        self.codebook_weight = codebook_weight
        self.commitment_weight = commitment_weight
        self.entropy_weight = entropy_weight
        self.entropy_temperature = entropy_temperature
        self.init: Init = init
        self.estimator: Estimator = estimator
        self.update_first = False
        self._begun = init != 'kmeans'  # so that no pass but the first asks the device
        self.make_codebook()
        if init == 'kmeans':
            self.register_buffer('initialized', torch.tensor(False))
        self.reset_parameters()

    def make_codebook(self) -> None:
        """Make, without values, what `codes` returns or is computed from."""
        self.codebook = nn.Parameter(torch.empty(self.codebook_size, self.dim))

    def reset_parameters(self) -> None:
        """Draw the codebook; for 'kmeans' from N(0, 1) until there is a batch."""
        if self.init == 'uniform':
            bound = 1 / self.codebook_size
            nn.init.uniform_(self.codebook, -bound, bound)
        else:
            nn.init.normal_(self.codebook)

    @property
    def learning(self) -> bool:
        """Whether a forward pass may move the codebook and its statistics."""
        return self.training and self.codebook.requires_grad and torch.is_grad_enabled()

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w); see `Quantized` for what comes back."""
        with full_precision(latent):
            rows = self._on_sphere(to_rows(latent))
            if self.learning and not self._begun:
                self._begin(rows.detach())
            codebook = self.codes()
            tokens = self._search(rows, codebook)
            codes = self._look_up(tokens, codebook)
            if self.learning and self.update_first:
                self._learn(rows, tokens, codes)
                codebook = self.codes()
                codes = self._look_up(tokens, codebook)
            losses = self.losses(rows, codes, codebook)
            quantized = self.estimate(rows, codes, codebook)
            if self.learning and not self.update_first:
                self._learn(rows, tokens, codes)
        return Quantized(
            latent=to_latent(quantized, latent),
            tokens=to_grid(tokens, latent),
            losses=losses,
        )

    def codes(self) -> Tensor:
        """Return all codes, with their gradient, at least float32, (k, d).

        Where `learn` writes to what they are made of, and a loss may keep them for its
        backward pass, they must be a copy.
        """
        return at_least_float32(self.codebook)

    def losses(
        self, rows: Tensor, codes: Tensor, codebook: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted losses.

        Args:
            rows: Latents, (n, d).
            codes: The code of each, (n, d).
            codebook: What `codes()` returned, (k, d).
        """
        losses = {}
        if self.codebook_weight:
            loss = functional.mse_loss(codes, rows.detach())
            losses['codebook_loss'] = self.codebook_weight * loss
        if self.commitment_weight:
            loss = functional.mse_loss(rows, codes.detach())
            losses['commitment_loss'] = self.commitment_weight * loss
        if self.entropy_weight and self.training:
            loss = self._entropy_loss(rows, codebook)
            losses['entropy_loss'] = self.entropy_weight * loss
        return losses

    def estimate(self, rows: Tensor, codes: Tensor, codebook: Tensor) -> Tensor:
        """Return `codes` with the gradient of the quantized latent; as for `losses`."""
        return ESTIMATORS[self.estimator](rows, codes)

    def learn(self, rows: Tensor, tokens: Tensor) -> None:
        """Move the codebook in other ways than by gradients; here there are none.

        Called without gradients, in each training pass, on all ranks: after the losses,
        or, with `update_first`, before the codes are looked up.

        Args:
            rows: This rank's latents, finite, (n, d).
            tokens: The code of each, (n,); k, which no code has, for a latent that was
                not finite, in whose place another one stands.
        """

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put other codes into the codebook, and forget what was known of the old.

        Args:
            tokens: Which, (m,).
            codes: By what, (m, d).
        """
        self.codebook[tokens] = codes.to(self.codebook.dtype)

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w), int64."""
        return to_grid(self._search(to_rows(latent), self.codes()), latent)

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
        codes = self._look_up(tokens, self.codes())
        return rearrange(codes, 'b h w d -> b d h w')

    def project(self, latent: Tensor) -> Tensor:
        """Put a latent (b, d, h, w) on the unit sphere, if the codes are there."""
        return functional.normalize(latent, dim=1) if self.normalize else latent

    def _begin(self, rows: Tensor) -> None:
        """Make the first batch's centres the codebook, once."""
        if not self.initialized:
            everywhere = distributed.cat(rows)
            everywhere = everywhere[everywhere.isfinite().all(-1)]
            if len(everywhere):
                self._begin_with(everywhere)
                self.initialized.fill_(True)
        self._begun = bool(self.initialized)

    def _begin_with(self, rows: Tensor) -> None:
        number = min(self.codebook_size, len(rows))
        if number < self.codebook_size:
            _logger.warning(
                'the first batch has %d latents for %d codes: the rest of the codebook '
                'stays random. A larger batch helps, or KMeansCallback, which begins '
                'with several batches',
                number,
                self.codebook_size,
            )
        tokens = torch.arange(number, device=rows.device)
        self.replace_codes(tokens, self.first_codes(rows, number))

    def first_codes(self, rows: Tensor, number: int) -> Tensor:
        """Return the codes that init='kmeans' begins with, (number, d).

        Args:
            rows: Finite latents, of all ranks, at least as many, (n, d).
            number: Of the codes.
        """
        # By inner products the longest centres would draw everything to them.
        distance: Distance = 'cosine' if self.distance == 'cosine' else 'l2'
        return kmeans(rows, number, distance=distance)[0]

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._begun = self.init != 'kmeans'

    @torch.no_grad()
    def _learn(self, rows: Tensor, tokens: Tensor, codes: Tensor) -> None:
        finite = rows.isfinite().all(-1)
        first = rows.index_select(0, finite.int().argmax(0, keepdim=True))
        other = torch.where(finite.any(), first, codes)
        self.learn(
            torch.where(finite[:, None], rows, other),
            torch.where(finite, tokens, self.codebook_size),
        )

    def _entropy_loss(self, rows: Tensor, codebook: Tensor) -> Tensor:
        if self.distance == 'cosine':
            rows, codebook = (functional.normalize(x, dim=-1) for x in (rows, codebook))
        return entropy_loss(
            rows,
            codebook,
            scores='inner' if self.distance == 'inner' else 'l2',
            temperature=self.entropy_temperature,
        )

    def _search(self, rows: Tensor, codebook: Tensor) -> Tensor:
        tokens: Tensor = nearest_code(rows, codebook, distance=self.distance)
        return tokens

    def _look_up(self, tokens: Tensor, codebook: Tensor) -> Tensor:
        return self._on_sphere(functional.embedding(tokens, codebook))

    def _on_sphere(self, rows: Tensor) -> Tensor:
        rows = at_least_float32(rows)
        return functional.normalize(rows, dim=-1) if self.normalize else rows


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise a ValueError unless the argument `name` has a known value."""
    known = tuple(known)
    if value not in known:
        choices = ', '.join(repr(choice) for choice in known)
        raise ValueError(f'{name} must be one of {choices}, got {value!r}')
