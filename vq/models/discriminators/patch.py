"""The patch discriminator of pix2pix (https://arxiv.org/abs/1611.07004)."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from vq.models.discriminators.norm import SyncBatchNorm
from vq.registry import MODELS

Norm = Literal['batch', 'sync_batch', 'none']
NORMS: dict[str, type[nn.Module]] = dict(
    batch=nn.BatchNorm2d, sync_batch=SyncBatchNorm, none=nn.Identity
)
SLOPE = 0.2  # of the leaky ReLUs
MAX_MULT = 8  # no layer is wider than this many times the first


class PatchBlock(nn.Module):
    """A convolution, a normalisation, a leaky ReLU.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        stride: Of the convolution.
        norm: A key of `NORMS`.
    """

    def __init__(self, *, in_dim: int, out_dim: int, stride: int, norm: Norm) -> None:
        super().__init__()
        # The normalisation would take a bias away again.
        self.conv = nn.Conv2d(
            in_dim, out_dim, 4, stride=stride, padding=1, bias=norm == 'none'
        )
        self.norm = NORMS[norm](out_dim)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h', w')."""
        normed: Tensor = self.norm(self.conv(hidden))
        return functional.leaky_relu(normed, SLOPE)


@MODELS.register_module()
class PatchDiscriminator(nn.Module):
    """Tells real patches of an image from reconstructed ones.

    Args:
        depth: Number of strided convolutions.
        width: Channels of the first.
        norm: 'batch', 'sync_batch' (statistics of all ranks together) or 'none'.
        in_dim: Channels of an image.
    """

    def __init__(
        self,
        *,
        depth: int = 3,
        width: int = 64,
        norm: Norm = 'batch',
        in_dim: int = 3,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f'norm must be one of {list(NORMS)}, got {norm!r}')
        dims = [width * min(2**i, MAX_MULT) for i in range(depth + 1)]
        self.stem = nn.Conv2d(in_dim, width, 4, stride=2, padding=1)
        self.blocks = nn.Sequential(
            *(
                PatchBlock(
                    in_dim=dims[i],
                    out_dim=dims[i + 1],
                    stride=2 if i + 1 < depth else 1,
                    norm=norm,
                )
                for i in range(depth)
            )
        )
        self.head = nn.Conv2d(dims[-1], 1, 4, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 0.02), of normalisations from N(1, 0.02)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, in_dim, H, W) to logits of its patches, (b, 1, h, w)."""
        hidden = functional.leaky_relu(self.stem(image), SLOPE)
        logits: Tensor = self.head(self.blocks(hidden))
        return logits
