"""The weights of LPIPS (https://arxiv.org/abs/1801.03924) as our LPIPS names them.

Two files are in use: the weights of channels alone (vgg.pth), and the whole network of
the package lpips with the VGG16 inside it.
"""

from typing import Any

from einops import rearrange
from torch import Tensor

from vq.conversion.family import Family, Weights
from vq.conversion.rules import ConversionError, Dropped, Renamed, Rule, Table

HEADS = 5
# Convolutions of VGG16, as torchvision counts its layers, in each slice of theirs.
SLICES = {
    1: (0, 2),
    2: (5, 7),
    3: (10, 12, 14),
    4: (17, 19, 21),
    5: (24, 26, 28),
}


def _to_vector(weight: Tensor) -> Tensor:
    return rearrange(weight, '1 c 1 1 -> c')


def _to_convolution(weight: Tensor) -> Tensor:
    return rearrange(weight, 'c -> 1 c 1 1')


TABLE = Table(
    (
        Rule(
            'lin{head}.model.1.weight',
            'heads.{head}',
            to_ours=_to_vector,
            from_ours=_to_convolution,
        ),
        *(
            Rule(f'net.slice{part}.{layer}.', f'trunk.{layer}.')
            for part, layers in SLICES.items()
            for layer in layers
        ),
        Rule('scaling_layer.shift', 'mean'),
        Rule('scaling_layer.scale', 'std'),
    ),
    dropped=(Dropped('lins.', 'the very tensors of lin0 to lin4 under other names'),),
)


class LPIPSFamily(Family):
    """The heads of LPIPS, or all of it."""

    name = 'lpips'

    def to_ours(self, weights: Weights, **options: Any) -> Renamed:
        """Rename, and check that there are the heads, and a whole trunk or none."""
        self.checked(options)
        renamed = TABLE.to_ours(weights)
        wanted = {f'heads.{head}' for head in range(HEADS)}
        if set(renamed.weights) - wanted:
            layers = [layer for layers in SLICES.values() for layer in layers]
            wanted |= {
                f'trunk.{n}.{leaf}' for n in layers for leaf in TABLE.rules[1].leaves
            }
            wanted |= {'mean', 'std'}
        if missing := sorted(wanted - set(renamed.weights)):
            raise ConversionError(f'these weights of LPIPS are missing: {missing}')
        return renamed

    def from_ours(self, weights: Weights) -> Renamed:
        """Rename back."""
        return TABLE.from_ours(weights)
