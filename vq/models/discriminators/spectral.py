"""Convolutions of spectral norm 1 (https://arxiv.org/abs/1802.05957)."""

from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from vq.models.layers import full_precision


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight, as a matrix (out, in h w), has the largest gain 1.

    Each forward pass in training mode takes one step of the power iteration; in eval
    mode its vectors, which are buffers, stay as they are.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        kernel: Height and width of the kernel.
        stride: Of the convolution.
        padding: Zeros on each side.
        bias: Add a bias.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_dim, out_dim, kernel, stride=stride, padding=padding, bias=bias
        )
        parametrizations.spectral_norm(self)

    def draw(self, deviation: float) -> None:
        """Draw the weight from N(0, deviation) anew, and vectors that fit it."""
        parametrize.remove_parametrizations(self, 'weight', leave_parametrized=False)
        nn.init.normal_(self.weight, 0.0, deviation)
        parametrizations.spectral_norm(self)

    def forward(self, input: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h', w')."""
        # In half precision the iteration would stray from the true norm.
        with full_precision(input):
            weight = self.weight
        out: Tensor = self._conv_forward(input, weight, self.bias)
        return out
