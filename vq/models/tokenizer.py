"""From images to tokens."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vq.models.connectors import check_channels
from vq.models.quantizers.base import Quantizer
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class ImageTokenizer(nn.Module):
    """An encoder, a connector and a quantizer.

    Args:
        encoder: Images (b, 3, H, W) to latents (b, out_dim, h, w).
        post_encode: The connector from the encoder to the quantizer.
        quantizer: Latents to tokens.
    """

    def __init__(
        self,
        *,
        encoder: Mapping[str, Any],
        post_encode: Mapping[str, Any],
        quantizer: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.encoder: nn.Module = MODELS.build(encoder)
        self.post_encode: nn.Module = MODELS.build(post_encode)
        self.quantizer: Quantizer = MODELS.build(quantizer)
        connector: Any = self.post_encode
        check_channels(
            [
                ('encoder', None, getattr(self.encoder, 'out_dim', None)),
                ('post_encode', connector.in_dim, connector.out_dim),
                ('quantizer', self.quantizer.in_dim, self.quantizer.dim),
            ]
        )

    @property
    def codebook_size(self) -> int:
        """Number of different tokens."""
        return self.quantizer.codebook_size

    def encode(self, image: Tensor) -> Tensor:
        """Map an image (b, 3, H, W) to what is quantized, (b, in_dim, h, w)."""
        latent: Tensor = self.post_encode(self.encoder(image))
        return latent

    def forward(self, image: Tensor) -> Quantized:
        """Quantize an image (b, 3, H, W) in [-1, 1]."""
        quantized: Quantized = self.quantizer(self.encode(image))
        return quantized

    def tokenize(self, image: Tensor) -> Tensor:
        """Map an image (b, 3, H, W) in [-1, 1] to tokens (b, h, w, ...), int64."""
        return self.quantizer.latent_to_tokens(self.encode(image))

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to their quantized latent (b, d, h, w)."""
        return self.quantizer.tokens_to_latent(tokens)
