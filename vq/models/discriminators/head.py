"""The end that discriminators of the StyleGAN family share: 4x4 pixels to one logit."""

from collections.abc import Callable

from einops import rearrange
from torch import Tensor, nn

from vq.models.discriminators.sizes import LAST_SIDE


class Head(nn.Module):
    """A convolution and two linear layers.

    Args:
        in_dim: Channels in.
        dim: Channels of the convolution, and units of the first linear layer.
        conv: The class of the convolution, `nn.Conv2d` or one like it.
        linear: The class of the linear layers, `nn.Linear` or one like it.
        activation: Follows the convolution and the first linear layer; any shape.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        dim: int,
        conv: type[nn.Conv2d],
        linear: type[nn.Linear],
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.conv = conv(in_dim, dim, 3, padding=1)
        self.linear = linear(dim * LAST_SIDE**2, dim)
        self.logit = linear(dim, 1)
        self.activation = activation

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, in_dim, 4, 4) to logits (b, 1)."""
        hidden = self.activation(self.conv(hidden))
        hidden = self.activation(self.linear(rearrange(hidden, 'b c h w -> b (c h w)')))
        logits: Tensor = self.logit(hidden)
        return logits
