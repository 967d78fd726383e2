"""Inception-v3 as FID means it: the network of 2015 with 1,008 classes.

Its weights were published for TensorFlow; pytorch-fid and torch-fidelity share one port
of them, under torchvision's names (https://arxiv.org/abs/1512.00567, 1706.08500). It
differs from torchvision's network in its average pooling, which leaves padding out, and
in the last block, which takes the maximum.
"""

from dataclasses import dataclass
from typing import Any, Literal

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vq.models.extractors.base import Extractor, Features
from vq.models.extractors.inception_blocks import (
    Conv,
    ConvNorm,
    average,
    block_5,
    block_6,
    block_6a,
    block_7,
    block_7a,
)
from vq.models.extractors.resizing import RESIZERS
from vq.registry import MODELS

SIZE = 299  # pixels a side
CLASSES = 1008  # 1,000 of ImageNet; the others are not in use
SPATIAL_CHANNELS = 7  # of mixed_6/conv (https://arxiv.org/abs/2103.03841)
SPATIAL_DIM = SPATIAL_CHANNELS * 17 * 17
LAYERS = (64, 192, 768, 2048)  # channels of the maps that can be pooled


@dataclass(slots=True)
class InceptionOutput:
    """What the network returns.

    Attributes:
        pooled: Averages over the maps of 64, 192, 768 and 2,048 channels, (b, c) each.
        spatial: The first seven channels of mixed_6/conv, (b, 7, 17, 17).
        logits: Without bias, (b, 1008).
    """

    pooled: list[Tensor]
    spatial: Tensor
    logits: Tensor


class Inception(nn.Module):
    """The network: images (b, 3, 299, 299) of about [-1, 1] to `InceptionOutput`."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, Conv(32, (3, 3), 2, pad=False))
        self.Conv2d_2a_3x3 = ConvNorm(32, Conv(32, (3, 3), pad=False))
        self.Conv2d_2b_3x3 = ConvNorm(32, Conv(64, (3, 3)))
        self.Conv2d_3b_1x1 = ConvNorm(64, Conv(80))
        self.Conv2d_4a_3x3 = ConvNorm(80, Conv(192, (3, 3), pad=False))
        self.Mixed_5b = block_5(192, pool_dim=32)
        self.Mixed_5c = block_5(256, pool_dim=64)
        self.Mixed_5d = block_5(288, pool_dim=64)
        self.Mixed_6a = block_6a(288)
        self.Mixed_6b = block_6(768, dim=128)
        self.Mixed_6c = block_6(768, dim=160)
        self.Mixed_6d = block_6(768, dim=160)
        self.Mixed_6e = block_6(768, dim=192)
        self.Mixed_7a = block_7a(768)
        self.Mixed_7b = block_7(1280, pool=average())
        self.Mixed_7c = block_7(2048, pool=nn.MaxPool2d(3, stride=1, padding=1))
        self.fc = nn.Linear(2048, CLASSES)

    def forward(self, image: Tensor) -> InceptionOutput:
        """Run the network on (b, 3, 299, 299)."""
        pooled = []
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(image)))
        x = functional.max_pool2d(x, 3, stride=2)  # (b, 64, 73, 73)
        pooled.append(x.mean((2, 3)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, stride=2)  # (b, 192, 35, 35)
        pooled.append(x.mean((2, 3)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x))))
        # The branch of 1x1 convolutions comes first.
        spatial = x[:, :SPATIAL_CHANNELS].clone()
        x = self.Mixed_6e(x)  # (b, 768, 17, 17)
        pooled.append(x.mean((2, 3)))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (b, 2048, 8, 8)
        pooled.append(x.mean((2, 3)))
        return InceptionOutput(
            pooled=pooled,
            spatial=spatial,
            logits=functional.linear(pooled[-1], self.fc.weight),
        )


@MODELS.register_module()
class InceptionExtractor(Extractor):
    """FID's features: 2,048 averages of the last map, the logits, the map of sFID.

    Args:
        rule: Whose way from pixels to the network. 'pytorch-fid': bilinear between
            pixel centres, then [-1, 1]. 'tensorflow' (torch-fidelity, ADM's evaluator,
            the original): TensorFlow 1's bilinear, then (x - 128) / 128. 'clean-fid':
            bicubic and antialiased, then (x - 128) / 128.
        layer: Channels of the map that is pooled: 2048, or 64, 192, 768 for small sets.
        weights: An entry of `vq.pretrained`, or a path.
        channels_last: See `Extractor`.
        compile: See `Extractor`.

    Raises:
        ValueError: An option is unknown.
    """

    spatial_dim = SPATIAL_DIM
    classes = CLASSES

    def __init__(
        self,
        *,
        rule: Literal['pytorch-fid', 'tensorflow', 'clean-fid'] = 'pytorch-fid',
        layer: Literal[64, 192, 768, 2048] = 2048,
        weights: str = 'pytorch_fid/inception',
        channels_last: bool = True,
        compile: bool = False,
    ) -> None:
        super().__init__(weights=weights, channels_last=channels_last, compile=compile)
        rules = {
            'pytorch-fid': ('half_pixel', 127.5),
            'tensorflow': ('tensorflow', 128.0),
            'clean-fid': ('antialiased', 128.0),
        }
        if rule not in rules:
            raise ValueError(f'rule must be one of {", ".join(rules)}, got {rule!r}')
        if layer not in LAYERS:
            raise ValueError(f'layer must be one of {LAYERS}, got {layer}')
        self.rule = rule
        self.dim = layer
        resizer, self._half = rules[rule]
        self._resize = RESIZERS[resizer]
        self.network = Inception()
        self.freeze()

    def stamp(self) -> dict[str, str]:
        """Return what identifies the features."""
        layer = '' if self.dim == LAYERS[-1] else f' {self.dim}'
        return super().stamp() | dict(extractor=f'Inception{layer}', resizer=self.rule)

    def prepare(self, pixels: Tensor) -> Tensor:
        """Resize and normalize: (b, 3, h, w) in 0 to 255 -> (b, 3, 299, 299)."""
        return (self._resize(pixels, SIZE) - self._half) / self._half

    def features(self, output: Any) -> Features:
        """Return the pooled layer, mixed_6/conv in the order of ADM, and logits."""
        return Features(
            pooled=output.pooled[LAYERS.index(self.dim)],
            spatial=rearrange(output.spatial, 'b c h w -> b (h w c)'),
            logits=output.logits,
        )
