"""The patch discriminator of pix2pix (https://arxiv.org/abs/1611.07004)."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from vq.models.discriminators.act import ActNorm
from vq.models.discriminators.norm import SyncBatchNorm
from vq.models.discriminators.spectral import SpectralConv2d
from vq.registry import MODELS

Norm = Literal['batch', 'sync_batch', 'act', 'spectral', 'none']
NORMS: dict[str, type[nn.Module]] = dict(
    batch=nn.BatchNorm2d,
    sync_batch=SyncBatchNorm,
    act=ActNorm,
    spectral=nn.Identity,  # it is the convolutions that are normalised
    none=nn.Identity,
)
BATCH_NORMS = ('batch', 'sync_batch')
DEVIATION = 0.02  # of initial weights
SLOPE = 0.2  # of the leaky ReLUs
MAX_MULT = 8  # no layer is wider than this many times the first


def conv_type(norm: Norm) -> type[nn.Conv2d]:
    """Return the class of the convolutions beside a key of `NORMS`."""
    return SpectralConv2d if norm == 'spectral' else nn.Conv2d


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
        # Batch normalisation would take a bias away again.
        self.conv = conv_type(norm)(
            in_dim, out_dim, 4, stride=stride, padding=1, bias=norm not in BATCH_NORMS
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
        norm: 'batch', 'sync_batch' (statistics of all ranks together), 'act' (ActNorm),
            'spectral' (of all convolutions, in place of a normalisation) or 'none'.
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
        self.stem = conv_type(norm)(in_dim, width, 4, stride=2, padding=1)
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
        self.head = conv_type(norm)(dims[-1], 1, 4, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 0.02), of batch normalisations from N(1, 0.02).

        ActNorms wait for their first batch anew.
        """
        for module in list(self.modules()):
            if isinstance(module, ActNorm):
                module.reset_parameters()
                continue
            if isinstance(module, SpectralConv2d):
                module.draw(DEVIATION)
            elif isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, DEVIATION)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, DEVIATION)
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (b, in_dim, H, W) to logits of its patches, (b, 1, h, w)."""
        hidden = functional.leaky_relu(self.stem(image), SLOPE)
        logits: Tensor = self.head(self.blocks(hidden))
        return logits
