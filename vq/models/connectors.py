"""What joins the parts of a tokenizer: channel adapters, and their check."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vq.registry import MODELS


@MODELS.register_module()
class Connector(nn.Module):
    """A 1x1 convolution between parts of different width.

    Args:
        in_dim: Channels in. None is filled in by a `Reconstructor`, see `fit_in_dim`.
        out_dim: Channels out.
        hidden_dim: Channels between two such convolutions, as the reference's FSQ has
            them; None makes one.

    Raises:
        ValueError: `in_dim` is None.
    """

    def __init__(
        self, *, in_dim: int | None, out_dim: int, hidden_dim: int | None = None
    ) -> None:
        super().__init__()
        if in_dim is None:
            raise ValueError(
                'Connector: in_dim=None stands for the dim of the quantizer, in the '
                'pre_decode of a Reconstructor alone; give in_dim a number of channels'
            )
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


def fit_in_dim(connector: Mapping[str, Any], dim: int) -> Mapping[str, Any]:
    """Return a connector's config with `dim` in the place of `in_dim=None`."""
    if connector.get('in_dim', dim) is None:
        return {**connector, 'in_dim': dim}
    return connector


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
