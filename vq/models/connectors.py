"""What joins the parts of a tokenizer: channel adapters, and their check."""

from collections.abc import Sequence

from torch import Tensor, nn

from vq.registry import MODELS


@MODELS.register_module()
class Connector(nn.Module):
    """A 1x1 convolution between parts of different width.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        hidden_dim: Channels between two such convolutions, as the reference's FSQ has
            them; None makes one.
    """

    def __init__(
        self, *, in_dim: int, out_dim: int, hidden_dim: int | None = None
    ) -> None:
        super().__init__()
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.hidden = (
            nn.Identity() if hidden_dim is None else nn.Conv2d(in_dim, hidden_dim, 1)
        )
        self.conv = nn.Conv2d(hidden_dim or in_dim, out_dim, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h, w)."""
        mapped: Tensor = self.conv(self.hidden(latent))
        return mapped


@MODELS.register_module()
class Identity(nn.Module):
    """The connector between parts of equal width."""

    in_dim = None
    out_dim = None

    def forward(self, latent: Tensor) -> Tensor:
        """Return the latent (b, d, h, w) as it is."""
        return latent


def check_channels(parts: Sequence[tuple[str, int | None, int | None]]) -> None:
    """Check that each part takes what the one before it gives.

    Args:
        parts: In order of the forward pass: name, channels in, channels out; None
            stands for whatever comes in, both at once for a part that changes nothing.

    Raises:
        ValueError: Two neighbours do not fit; both are named.
    """
    giver, given = '', None
    for name, takes, gives in parts:
        if given is not None and takes is not None and given != takes:
            raise ValueError(f'{giver} gives {given} channels, {name} takes {takes}')
        if gives is not None:
            giver, given = name, gives
