"""ActNorm, a normalisation set by the first batch (https://arxiv.org/abs/1807.03039)."""

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vq import distributed
from vq.models.layers import at_least_float32

EPS = 1e-6  # added to a standard deviation


class ActNorm(nn.Module):
    """Shift and scale each channel: scale * (hidden + loc), both learnt.

    The first training batch, of all ranks together, makes them: its outputs have mean 0
    and standard deviation 1. A batch without a finite deviation is passed by, and the
    next one is asked. In eval mode nothing is set.

    Args:
        dim: Channels.
    """

    loc: nn.Parameter  # (1, dim, 1, 1)
    scale: nn.Parameter  # (1, dim, 1, 1)
    initialized: Tensor  # 0 or 1; a number, as in published weights

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.empty(1, dim, 1, 1))
        self.scale = nn.Parameter(torch.empty(1, dim, 1, 1))
        self.register_buffer('initialized', torch.empty((), dtype=torch.uint8))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Change nothing, and wait for a first batch anew."""
        nn.init.zeros_(self.loc)
        nn.init.ones_(self.scale)
        nn.init.zeros_(self.initialized)
        self._settled = False

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalise (b, dim, h, w)."""
        # To look at the buffer is to wait for the device: it is done once only.
        if self.training and not self._settled and not hidden.is_meta:
            self._settle(hidden)
        normed: Tensor = self.scale * (hidden + self.loc)
        return normed.to(hidden.dtype)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def _settle(self, hidden: Tensor) -> None:
        """Set shift and scale from (b, dim, h, w), unless that has been done before."""
        if not self.initialized:
            mean, deviation = mean_and_deviation(at_least_float32(hidden))
            loc = -mean.to(self.loc.dtype)
            scale = 1 / (deviation + EPS).to(self.scale.dtype)
            if loc.isfinite().all() and scale.isfinite().all():
                self.loc.copy_(rearrange(loc, 'c -> 1 c 1 1'))
                self.scale.copy_(rearrange(scale, 'c -> 1 c 1 1'))
                self.initialized.fill_(1)
        self._settled = bool(self.initialized)

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._settled = False


def mean_and_deviation(hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and unbiased standard deviation of each channel over all ranks.

    Args:
        hidden: This rank's part of the batch, (b, c, h, w).

    Returns:
        Two tensors (c,) without gradients, the same on every rank.
    """
    number = hidden.new_full((1,), hidden.numel() / hidden.shape[1])
    sums = torch.cat([reduce(hidden, 'b c h w -> c', 'sum'), number])
    sums = distributed.sum_(sums.detach())
    total = sums[-1]
    mean = sums[:-1] / total
    centred = hidden.detach() - rearrange(mean, 'c -> 1 c 1 1')
    squares = distributed.sum_(reduce(centred.square(), 'b c h w -> c', 'sum'))
    return mean, (squares / (total - 1)).sqrt()
