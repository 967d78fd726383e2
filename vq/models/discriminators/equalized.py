"""Layers with an equalised learning rate (https://arxiv.org/abs/1710.10196, sec. 4.1).

Weights are drawn from N(0, 1) and divided by the square root of their fan-in wherever
they are used, so that one step of Adam changes all layers' outputs by as much.
"""

import math

from torch import Tensor, nn
from torch.nn import functional


class EqualizedConv2d(nn.Conv2d):
    """`nn.Conv2d` with an equalised learning rate."""

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 1); the bias is 0."""
        _draw(self)

    def forward(self, input: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h', w')."""
        weight = self.weight / math.sqrt(self.weight[0].numel())
        out: Tensor = self._conv_forward(input, weight, self.bias)
        return out


class EqualizedLinear(nn.Linear):
    """`nn.Linear` with an equalised learning rate."""

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 1); the bias is 0."""
        _draw(self)

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        weight = self.weight / math.sqrt(self.in_features)
        return functional.linear(input, weight, self.bias)


def _draw(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
