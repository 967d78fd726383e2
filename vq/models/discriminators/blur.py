"""Blur, which keeps strides from aliasing (https://arxiv.org/abs/1904.11486)."""

from collections.abc import Sequence
from typing import Literal

import torch
from einops import repeat
from torch import Tensor, nn
from torch.nn import functional

Border = Literal['zeros', 'reflect']


class Blur(nn.Module):
    """Convolve each channel with the outer product of `taps` with themselves.

    Args:
        taps: Weights along one axis; they are divided by their sum.
        padding: Pixels added on each side.
        border: What is added: 'zeros', or the picture mirrored at its outermost pixels
            ('reflect', which adds one pixel).
        stride: Of the convolution.

    Raises:
        ValueError: `border` is unknown, or 'reflect' and `padding` is not 1.
    """

    def __init__(
        self,
        *,
        taps: Sequence[int],
        padding: int,
        border: Border = 'zeros',
        stride: int = 1,
    ) -> None:
        super().__init__()
        if border not in ('zeros', 'reflect'):
            raise ValueError(f"border must be 'zeros' or 'reflect', got {border!r}")
        if border == 'reflect' and padding != 1:
            raise ValueError(f"border='reflect' needs padding=1, got {padding}")
        self.taps = tuple(taps)
        self.padding = padding
        self.border = border
        self.stride = stride
        size = len(self.taps)
        self.register_buffer('kernel', torch.empty(size, size), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Write the kernel, which is constant and in no state dict."""
        taps = torch.tensor(self.taps) / sum(self.taps)
        self.get_buffer('kernel').copy_(torch.outer(taps, taps))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c, h', w').

        At stride 1, h' = h + 2 * padding - number of taps + 1.
        """
        dim, padding = hidden.shape[1], self.padding
        if self.border == 'reflect':
            hidden, padding = mirrored(hidden), 0
        kernel = repeat(self.get_buffer('kernel'), 'h w -> c 1 h w', c=dim)
        return functional.conv2d(
            hidden, kernel, stride=self.stride, padding=padding, groups=dim
        )


def mirrored(hidden: Tensor) -> Tensor:
    """Add one pixel on each side of (b, c, h, w): that before the last.

    `functional.pad` does the same, but its gradient is not deterministic on GPUs.
    """
    for axis in (2, 3):
        first, last = hidden.narrow(axis, 1, 1), hidden.narrow(axis, -2, 1)
        hidden = torch.cat([first, hidden, last], axis)
    return hidden
