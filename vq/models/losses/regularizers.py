"""Regularizers of a discriminator: what keeps it from winning too early."""

from typing import Protocol

import torch
from einops import reduce
from torch import Tensor, nn

from vq import distributed
from vq.models.layers import at_least_float32, full_precision
from vq.registry import MODELS


class Regularizer(Protocol):
    """What a VQGAN asks of each regularizer of its discriminator.

    Attributes:
        every: It is added at every so many updates of the discriminator.
    """

    every: int

    def __call__(
        self,
        discriminator: nn.Module,
        image: Tensor,
        logits_real: Tensor,
        logits_fake: Tensor,
    ) -> Tensor:
        """Return a weighted scalar that the discriminator minimises, too.

        Args:
            discriminator: Images to logits.
            image: Real ones, (b, 3, h, w).
            logits_real: Of these images, any shape that begins with b.
            logits_fake: Of their reconstructions, likewise.
        """


@MODELS.register_module()
class R1Penalty(nn.Module):
    """The mean squared norm of D's gradient at real images.

    https://arxiv.org/abs/1801.04406, eq. 9; every n-th step only, as in StyleGAN2
    (https://arxiv.org/abs/1912.04958, appendix B).

    Args:
        weight: Factor of the penalty; it is gamma / 2 of the papers.
        every: Updates from one penalty to the next; its weight grows by as much, so
            that the mean over updates does not depend on it.
    """

    def __init__(self, *, weight: float = 1.0, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f'every must be >= 1, got {every}')
        self.weight = weight
        self.every = every

    def forward(
        self,
        discriminator: nn.Module,
        image: Tensor,
        logits_real: Tensor,
        logits_fake: Tensor,
    ) -> Tensor:
        """See `Regularizer`; the logits are not used."""
        del logits_real, logits_fake
        image = at_least_float32(image.detach()).requires_grad_()
        training = discriminator.training
        # In eval mode a normalisation mixes no images, and its statistics stay put.
        discriminator.eval()
        try:
            # torch.compile cannot differentiate twice.
            eager = torch.compiler.set_stance('force_eager')
            with eager, full_precision(image), torch.enable_grad():
                logits: Tensor = discriminator(image)
                (gradient,) = torch.autograd.grad(
                    logits.sum(), image, create_graph=True
                )
        finally:
            discriminator.train(training)
        squares = reduce(gradient.square(), 'b c h w -> b', 'sum')
        return self.weight * self.every * squares.mean()


@MODELS.register_module()
class LeCAM(nn.Module):
    """Keeps logits near the averages of the other kind's (little data, long runs).

    https://arxiv.org/abs/2104.03310, eq. 3 and 4, where we push as the authors' code
    does: only logits that lie on the wrong side of the other kind's average. The
    averages, over all ranks, move before they are used.

    Args:
        weight: Factor of the regularizer; the paper's lambda.
        decay: Of the averages, an update.
        every: Updates from one use to the next.
    """

    def __init__(
        self, *, weight: float = 0.001, decay: float = 0.99, every: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f'decay must be in [0, 1), got {decay}')
        if every < 1:
            raise ValueError(f'every must be >= 1, got {every}')
        self.weight = weight
        self.decay = decay
        self.every = every
        # Averages of D(real) and D(fake).
        self.register_buffer('anchors', torch.zeros(2))
        self.register_buffer('started', torch.zeros((), dtype=torch.bool))

    def forward(
        self,
        discriminator: nn.Module,
        image: Tensor,
        logits_real: Tensor,
        logits_fake: Tensor,
    ) -> Tensor:
        """See `Regularizer`; only the logits are used."""
        del discriminator, image
        real, fake = at_least_float32(logits_real), at_least_float32(logits_fake)
        if self.training:
            self._track(torch.stack([real.detach().mean(), fake.detach().mean()]))
        anchor_real, anchor_fake = self.get_buffer('anchors').unbind()
        penalty = (real - anchor_fake).relu().square().mean()
        penalty = penalty + (anchor_real - fake).relu().square().mean()
        return self.weight * self.every * penalty

    @torch.no_grad()
    def _track(self, means: Tensor) -> None:
        anchors, started = self.get_buffer('anchors'), self.get_buffer('started')
        means = distributed.mean(means).to(anchors.dtype)
        moved = torch.where(started, anchors.lerp(means, 1 - self.decay), means)
        # An update that is skipped because it is not finite leaves no trace here.
        finite = means.isfinite().all()
        anchors.copy_(torch.where(finite, moved, anchors))
        started.logical_or_(finite)
