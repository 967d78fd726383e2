"""What every quantizer offers."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from vq.types import Quantized


def straight_through(latent: Tensor, quantized: Tensor) -> Tensor:
    """Return `quantized` with its gradient passed to `latent`; any equal shapes.

    Written as q + (z - z), not as z + (q - z): the value is exactly the code, so that
    decoding tokens gives the very same image.
    """
    return quantized.detach() + (latent - latent.detach())


class Quantizer(nn.Module, ABC):
    """Replaces latents by codes of a finite codebook.

    Args:
        codebook_size: Number of codes k.
        dim: Channels d of a latent.
    """

    def __init__(self, *, codebook_size: int, dim: int) -> None:
        super().__init__()
        self.codebook_size = codebook_size
        self.dim = dim

    @abstractmethod
    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, d, h, w), with the losses of training."""

    @abstractmethod
    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, d, h, w) to tokens (b, h, w), int64."""

    @abstractmethod
    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
