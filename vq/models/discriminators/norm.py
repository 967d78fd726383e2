"""Batch normalisation over the joint batch of all ranks."""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.distributed.nn import functional as differentiable

from vq import distributed
from vq.models.layers import at_least_float32


class SyncBatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose statistics are those of all ranks' images together.

    Unlike `nn.SyncBatchNorm` it runs on the CPU as well; gradients flow through the
    sums over ranks, so two ranks train like one with both batches.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (b, c, h, w)."""
        if not self.training or distributed.world_size() == 1:
            return super().forward(input)
        values = at_least_float32(input)
        number = values.numel() // values.shape[1]
        sums = torch.cat([values.sum((0, 2, 3)), values.new_tensor([number])])
        sums = differentiable.all_reduce(sums)  # type: ignore[no-untyped-call]
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = values - rearrange(mean, 'c -> 1 c 1 1')
        squares = reduce(centred.square(), 'b c h w -> c', 'sum')
        variance = differentiable.all_reduce(squares) / total  # type: ignore[no-untyped-call]
        self._track(mean.detach(), (variance * total / (total - 1)).detach())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normed: Tensor = centred * rearrange(scale, 'c -> 1 c 1 1')
        return (normed + rearrange(self.bias, 'c -> 1 c 1 1')).to(input.dtype)

    def _track(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(
            unbiased_variance.to(self.running_var.dtype), self.momentum
        )
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
