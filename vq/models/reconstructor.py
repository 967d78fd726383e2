"""From images to tokens and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vq.models.connectors import check_channels, fit_in_dim
from vq.models.frozen import PartlyFrozen
from vq.models.tokenizer import ImageTokenizer
from vq.registry import MODELS
from vq.types import Batch, Output, Reconstruction


@MODELS.register_module()
class Reconstructor(PartlyFrozen):
    """A tokenizer, a connector and a decoder.

    Args:
        tokenizer: Images to quantized latents.
        pre_decode: The connector from the quantizer to the decoder; `in_dim=None`
            stands for the quantizer's dim.
        decoder: Latents (b, in_dim, h, w) to images (b, 3, H, W).
        frozen: Names of parts that are not trained, see `PartlyFrozen`.

    Raises:
        ValueError: Two neighbouring parts differ in channels; the decoder does not
            enlarge as much as the encoder shrinks; or `frozen` names no part.
    """

    def __init__(
        self,
        *,
        tokenizer: Mapping[str, Any],
        pre_decode: Mapping[str, Any],
        decoder: Mapping[str, Any],
        frozen: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.tokenizer: ImageTokenizer = MODELS.build(tokenizer)
        dim = self.tokenizer.quantizer.dim
        self.pre_decode: nn.Module = MODELS.build(fit_in_dim(pre_decode, dim))
        self.decoder: nn.Module = MODELS.build(decoder)
        connector: Any = self.pre_decode
        check_channels(
            [
                ('quantizer', None, dim),
                ('pre_decode', connector.in_dim, connector.out_dim),
                ('decoder', getattr(self.decoder, 'in_dim', None), None),
            ]
        )
        self._check_scale()
        self.freeze(frozen)

    def _check_scale(self) -> None:
        down = getattr(self.tokenizer.encoder, 'downscale', None)
        up = getattr(self.decoder, 'upscale', None)
        if down is not None and up is not None and down != up:
            raise ValueError(
                f'tokenizer.encoder.downscale is {down}, decoder.upscale is {up}: '
                'reconstructions would be of another size than images'
            )

    def forward(self, image: Tensor) -> Reconstruction:
        """Reconstruct an image (b, 3, H, W) in [-1, 1]."""
        quantized = self.tokenizer(image)
        return Reconstruction(image=self.decode(quantized.latent), quantized=quantized)

    def decode(self, latent: Tensor) -> Tensor:
        """Map a quantized latent (b, d, h, w) to an image (b, 3, H, W)."""
        image: Tensor = self.decoder(self.pre_decode(latent))
        return image

    def tokenize(self, image: Tensor) -> Tensor:
        """Map an image (b, 3, H, W) in [-1, 1] to tokens (b, h, w, ...), int64."""
        return self.tokenizer.tokenize(image)

    def detokenize(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w, ...) to an image (b, 3, H, W)."""
        return self.decode(self.tokenizer.tokens_to_latent(tokens))

    def val_step(self, batch: Batch) -> Output:
        """Reconstruct a batch."""
        reconstruction: Reconstruction = self(batch.image)
        return reconstruction
