"""The discriminator of StyleGAN2 (https://arxiv.org/abs/1912.04958, fig. 7c)."""

import math

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn
from torch.nn import functional

from vq.models.discriminators.blur import Blur
from vq.models.discriminators.equalized import EqualizedConv2d, EqualizedLinear
from vq.models.discriminators.head import Head
from vq.models.discriminators.sizes import check_size, widths
from vq.models.layers import at_least_float32
from vq.registry import MODELS

SLOPE = 0.2  # of the leaky ReLUs
GAIN = math.sqrt(2)  # keeps the variance behind them
TAPS = (1, 3, 3, 1)  # of the blur
LEAST_SIZE = 32  # pixels
FULL_SIDE = 64  # pixels; at higher resolutions there are fewer channels
GROUP = 4  # images whose deviation is measured
GROUP_EPS = 1e-8


def activate(hidden: Tensor) -> Tensor:
    """Apply the leaky ReLU, scaled to keep the variance; any shape."""
    return functional.leaky_relu(hidden, SLOPE) * GAIN


def minibatch_deviation(hidden: Tensor) -> Tensor:
    """Add a channel that says how unlike the images of a group are.

    Its value is the standard deviation over the group, averaged over channels and
    pixels (https://arxiv.org/abs/1710.10196, sec. 3). Groups are of four images, or of
    as many below four as divide the batch; a rank's groups are of its own images.

    Args:
        hidden: (b, c, h, w)

    Returns:
        (b, c + 1, h, w)
    """
    batch, _, height, width = hidden.shape
    group = max(size for size in range(1, GROUP + 1) if batch % size == 0)
    grouped = rearrange(at_least_float32(hidden), '(g n) c h w -> g n c h w', g=group)
    centred = grouped - reduce(grouped, 'g n c h w -> 1 n c h w', 'mean')
    variance = reduce(centred.square(), 'g n c h w -> n c h w', 'mean')
    deviation = reduce((variance + GROUP_EPS).sqrt(), 'n c h w -> n', 'mean')
    added = repeat(deviation, 'n -> (g n) 1 h w', g=group, h=height, w=width)
    return torch.cat([hidden, added.to(hidden.dtype)], dim=1)


class StyleGAN2Block(nn.Module):
    """Two convolutions beside a linear shortcut; the resolution is halved.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
    """

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv2d(in_dim, in_dim, 3, padding=1)
        # Blur and padding of the convolution at once: one pixel more is left.
        self.blur = Blur(taps=TAPS, padding=2)
        self.conv2 = EqualizedConv2d(in_dim, out_dim, 3, stride=2)
        # Blurring only the pixels that a strided 1x1 convolution would look at.
        self.shortcut_blur = Blur(taps=TAPS, padding=1, stride=2)
        self.shortcut = EqualizedConv2d(in_dim, out_dim, 1, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h / 2, w / 2)."""
        shortcut: Tensor = self.shortcut(self.shortcut_blur(hidden))
        hidden = activate(self.conv1(hidden))
        hidden = activate(self.conv2(self.blur(hidden)))
        return (shortcut + hidden) / math.sqrt(2)


@MODELS.register_module()
class StyleGAN2Discriminator(nn.Module):
    """Gives an image one logit, by residual blocks that halve it down to 4x4 pixels.

    A logit depends on the image's group in the batch, in eval mode as well: see
    `minibatch_deviation`.

    Args:
        image_size: Height and width of an image, a power of two from 32 up.
        max_dim: Channels at 64 pixels a side and fewer; each doubling halves them.
        in_dim: Channels of an image.

    Raises:
        ValueError: `image_size` is another, or `max_dim` leaves it without channels.
    """

    def __init__(
        self, *, image_size: int = 256, max_dim: int = 512, in_dim: int = 3
    ) -> None:
        super().__init__()
        dims = widths(
            image_size, least_size=LEAST_SIZE, max_dim=max_dim, full_side=FULL_SIDE
        )
        self.image_size = image_size
        self.stem = EqualizedConv2d(in_dim, dims[0], 1)
        self.blocks = nn.Sequential(
            *(
                StyleGAN2Block(in_dim=dims[i], out_dim=dims[i + 1])
                for i in range(len(dims) - 1)
            )
        )
        self.head = Head(
            in_dim=dims[-1] + 1,
            dim=dims[-1],
            conv=EqualizedConv2d,
            linear=EqualizedLinear,
            activation=activate,
        )

    def reset_parameters(self) -> None:
        """Draw all weights from N(0, 1), set biases to 0, write the blurs' kernels."""
        for module in self.modules():
            if isinstance(module, EqualizedConv2d | EqualizedLinear | Blur):
                module.reset_parameters()

    def forward(self, image: Tensor) -> Tensor:
        """Map images (b, in_dim, image_size, image_size) to logits (b, 1).

        Raises:
            ValueError: They are of another size.
        """
        check_size(image, self.image_size)
        hidden = self.blocks(activate(self.stem(image)))
        logits: Tensor = self.head(minibatch_deviation(hidden))
        return logits
