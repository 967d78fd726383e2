"""Residual blocks that normalise behind their convolutions: of the strided VQ-VAE."""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from vq.models.layers import AttentionBlock
from vq.models.norms import GroupNorm

BlockNorm = Literal['group', 'batch']
Activation = Literal['relu', 'silu']
NORMS = ('group', 'batch')
ACTIVATIONS: dict[str, type[nn.Module]] = dict(relu=nn.ReLU, silu=nn.SiLU)


class PostNormBlock(nn.Module):
    """Twice a 3x3 convolution, a normalisation and an activation, beside a shortcut.

    Args:
        dim: Channels.
        norm: 'group', each picture for itself, or 'batch', over a rank's pictures.
        activation: A key of `ACTIVATIONS`.
        norm_groups: Groups of a group normalisation; divides `dim`.

    Raises:
        ValueError: `norm` or `activation` is unknown.
    """

    def __init__(
        self, *, dim: int, norm: BlockNorm, activation: Activation, norm_groups: int
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f'norm must be one of {list(NORMS)}, got {norm!r}')
        if activation not in ACTIVATIONS:
            raise ValueError(
                f'activation must be one of {list(ACTIVATIONS)}, got {activation!r}'
            )
        make_norm = nn.BatchNorm2d if norm == 'batch' else _group_norm(norm_groups)
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm1 = make_norm(dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm2 = make_norm(dim)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, latent: Tensor) -> Tensor:
        """Map (b, dim, h, w) to the same shape."""
        hidden = self.activation(self.norm1(self.conv1(latent)))
        hidden = self.activation(self.norm2(self.conv2(hidden)))
        out: Tensor = latent + hidden
        return out


def refine(
    dim: int,
    *,
    depth: int,
    attention: bool,
    norm: BlockNorm,
    activation: Activation,
    norm_groups: int,
) -> nn.Sequential:
    """Return the blocks of one resolution, (b, dim, h, w) to the same shape.

    Attention is light: one block behind all others. It normalises by groups whatever
    the others do.
    """
    layers: list[nn.Module] = [
        PostNormBlock(
            dim=dim, norm=norm, activation=activation, norm_groups=norm_groups
        )
        for _ in range(depth)
    ]
    if attention:
        layers.append(AttentionBlock(dim=dim, norm=_group_norm(norm_groups)))
    return nn.Sequential(*layers)


def _group_norm(groups: int) -> partial[GroupNorm]:
    return partial(GroupNorm, groups=groups)
