"""A frozen codebook behind a learnt linear map: SimVQ (https://arxiv.org/abs/2411.02038)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.gradients import Estimator
from vq.models.quantizers.vector import VectorQuantizer
from vq.registry import MODELS

RTOL = 1e-3  # of the largest singular value; what is smaller counts as zero


@MODELS.register_module()
class SimVQuantizer(VectorQuantizer):
    """Learns one linear map of all codes instead of each code by itself.

    The codes are the rows of a frozen Gaussian matrix C, mapped by a learnt W: each
    gradient moves all of them, so that no code is left behind. W has a bias, as in the
    published weights. The mapped codes are used everywhere, for decoding tokens, too,
    where the authors' code forgets the map.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
        codebook_weight: Weight of the loss that moves codes to latents, by W.
        commitment_weight: Weight of the loss that moves latents to codes.
        estimator: How latents get their gradient, see `VectorQuantizer`.

    Attributes:
        codebook: C, a buffer, (k, d); see `codes` for the codes.
        projection: W.
    """

    advice = (
        'a smaller commitment_weight, a higher learning rate of the projection, '
        'revival (RevivalCallback), a lower learning rate of the generator'
    )

    def __init__(
        self,
        *,
        codebook_size: int,
        dim: int,
        codebook_weight: float = 1.0,
        commitment_weight: float = 0.25,
        estimator: Estimator = 'straight_through',
    ) -> None:
        super().__init__(
            codebook_size=codebook_size,
            dim=dim,
            codebook_weight=codebook_weight,
            commitment_weight=commitment_weight,
            init='normal',
            estimator=estimator,
        )

    def make_codebook(self) -> None:
        """Make C, which no optimizer sees, and W."""
        self.register_buffer('codebook', torch.empty(self.codebook_size, self.dim))
        self.projection = nn.Linear(self.dim, self.dim)

    def reset_parameters(self) -> None:
        """Draw C from N(0, 1 / d), and W as linear layers are drawn."""
        nn.init.normal_(self.codebook, std=self.dim**-0.5)
        self.projection.reset_parameters()

    @property
    def learning(self) -> bool:
        """Whether a forward pass may move the codebook and its statistics."""
        learns = self.projection.weight.requires_grad
        return self.training and learns and torch.is_grad_enabled()

    def codes(self) -> Tensor:
        """Return all codes, C mapped by W, at least float32, (k, d)."""
        with full_precision(self.codebook):
            # Cloned, as `replace_codes` may come before the backward pass does.
            return functional.linear(
                at_least_float32(self.codebook).clone(),
                at_least_float32(self.projection.weight),
                at_least_float32(self.projection.bias),
            )

    @torch.no_grad()
    def replace_codes(self, tokens: Tensor, codes: Tensor) -> None:
        """Put rows into C that W maps to these codes, as nearly as it can.

        They are the shortest ones with the least squared error. Directions that W
        all but deletes are left out: to reach there a row would have to be huge, and
        each step of W would throw its code far away.

        Args:
            tokens: Which, (m,).
            codes: By what, (m, d).
        """
        weight, bias = self.projection.weight.double(), self.projection.bias.double()
        rows = (codes.double() - bias) @ torch.linalg.pinv(weight, rtol=RTOL).T
        super().replace_codes(tokens, rows)
