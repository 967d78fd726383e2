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
        dim: Channels d of a quantized latent.
        in_dim: Channels of the latent to be quantized; `dim` by default, as in most
            families.
    """

    def __init__(
        self, *, codebook_size: int, dim: int, in_dim: int | None = None
    ) -> None:
        super().__init__()
        self.codebook_size = codebook_size
        self.dim = dim
        self.in_dim = dim if in_dim is None else in_dim

    @abstractmethod
    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, in_dim, h, w), with the losses of training."""

    @abstractmethod
    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to tokens (b, h, w), int64."""

    @abstractmethod
    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
