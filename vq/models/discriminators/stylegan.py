"""The StyleGAN discriminator of LlamaGen (https://arxiv.org/abs/2406.06525).

It resembles StyleGAN2's, without an equalised learning rate and without the minibatch's
standard deviation; its blur is shorter.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from vq.models.discriminators.blur import Blur
from vq.models.discriminators.head import Head
from vq.models.discriminators.sizes import check_size, widths
from vq.registry import MODELS

SLOPE = 0.2  # of the leaky ReLUs
TAPS = (1, 2, 1)  # of the blur
LEAST_SIZE = 8  # pixels
FULL_SIDE = 32  # pixels; at higher resolutions there are fewer channels


def activate(hidden: Tensor) -> Tensor:
    """Apply the leaky ReLU; any shape."""
    return functional.leaky_relu(hidden, SLOPE)


class StyleGANBlock(nn.Module):
    """Three convolutions beside a strided shortcut; the resolution is halved.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
    """

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_dim, out_dim, 3, padding=1)
        self.conv2 = nn.Conv2d(out_dim, out_dim, 3, padding=1)
        self.blur = Blur(taps=TAPS, padding=1, border='reflect')
        self.down = nn.Conv2d(out_dim, out_dim, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(in_dim, out_dim, 1, stride=2)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h / 2, w / 2)."""
        shortcut: Tensor = self.shortcut(hidden)
        hidden = activate(self.conv2(activate(self.conv1(hidden))))
        hidden = self.down(self.blur(hidden))
        return (hidden + shortcut) / math.sqrt(2)


@MODELS.register_module()
class StyleGANDiscriminator(nn.Module):
    """Gives an image one logit, by residual blocks that halve it down to 4x4 pixels.

    Args:
        image_size: Height and width of an image, a power of two from 8 up.
        max_dim: Channels at 32 pixels a side and fewer; each doubling halves them.
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
        self.stem = nn.Conv2d(in_dim, dims[0], 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                StyleGANBlock(in_dim=dims[i], out_dim=dims[i + 1])
                for i in range(len(dims) - 1)
            )
        )
        self.head = Head(
            in_dim=dims[-1],
            dim=dims[-1],
            conv=nn.Conv2d,
            linear=nn.Linear,
            activation=activate,
        )

    def reset_parameters(self) -> None:
        """Draw weights as torch's layers do, and write the blurs' kernels."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | Blur):
                module.reset_parameters()

    def forward(self, image: Tensor) -> Tensor:
        """Map images (b, in_dim, image_size, image_size) to logits (b, 1).

        Raises:
            ValueError: They are of another size.
        """
        check_size(image, self.image_size)
        logits: Tensor = self.head(self.blocks(activate(self.stem(image))))
        return logits
