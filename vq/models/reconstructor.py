"""From images to tokens and back."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vq.models.connectors import check_channels
from vq.models.tokenizer import ImageTokenizer
from vq.registry import MODELS
from vq.types import Batch, Reconstruction


@MODELS.register_module()
class Reconstructor(nn.Module):
    """A tokenizer, a connector and a decoder.

    Args:
        tokenizer: Images to quantized latents.
        pre_decode: The connector from the quantizer to the decoder.
        decoder: Latents (b, in_dim, h, w) to images (b, 3, H, W).
    """

    def __init__(
        self,
        *,
        tokenizer: Mapping[str, Any],
        pre_decode: Mapping[str, Any],
        decoder: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.tokenizer: ImageTokenizer = MODELS.build(tokenizer)
        self.pre_decode: nn.Module = MODELS.build(pre_decode)
        self.decoder: nn.Module = MODELS.build(decoder)
        connector: Any = self.pre_decode
        check_channels(
            [
                ('quantizer', None, self.tokenizer.quantizer.dim),
                ('pre_decode', connector.in_dim, connector.out_dim),
                ('decoder', getattr(self.decoder, 'in_dim', None), None),
            ]
        )

    def forward(self, image: Tensor) -> Reconstruction:
        """Reconstruct an image (b, 3, H, W) in [-1, 1]."""
        quantized = self.tokenizer(image)
        return Reconstruction(image=self.decode(quantized.latent), quantized=quantized)

    def decode(self, latent: Tensor) -> Tensor:
        """Map a quantized latent (b, d, h, w) to an image (b, 3, H, W)."""
        image: Tensor = self.decoder(self.pre_decode(latent))
        return image

    def detokenize(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to an image (b, 3, H, W)."""
        return self.decode(self.tokenizer.tokens_to_latent(tokens))

    def val_step(self, batch: Batch) -> Reconstruction:
        """Reconstruct a batch."""
        reconstruction: Reconstruction = self(batch.image)
        return reconstruction
