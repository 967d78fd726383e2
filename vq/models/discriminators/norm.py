"""Batch normalisation over the joint batch of all ranks."""

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vq import distributed
from vq.models.layers import at_least_float32


class _SumOverRanks(torch.autograd.Function):
    """A sum over ranks; its gradient is the sum of all ranks' gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """Sum a tensor of any shape."""
        return distributed.sum_(tensor.contiguous())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Sum the gradient: every rank's loss depends on every rank's tensor."""
        return distributed.sum_(gradient.contiguous())


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Return `tensor` summed over ranks, differentiably; any shape."""
    total: Tensor = _SumOverRanks.apply(tensor)
    return total


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
        number = values.new_full((1,), values.numel() / values.shape[1])
        sums = sum_over_ranks(
            torch.cat([reduce(values, 'b c h w -> c', 'sum'), number])
        )
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = values - rearrange(mean, 'c -> 1 c 1 1')
        squares = reduce(centred.square(), 'b c h w -> c', 'sum')
        variance = sum_over_ranks(squares) / total
        self._track(mean.detach(), (variance * total / (total - 1)).detach())
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = self.weight * scale
        normed: Tensor = centred * rearrange(scale, 'c -> 1 c 1 1')
        if self.affine:
            normed = normed + rearrange(self.bias, 'c -> 1 c 1 1')
        return normed.to(input.dtype)

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
