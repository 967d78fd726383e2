"""The blocks of Inception-v3, as a table of convolutions (arxiv.org/abs/1512.00567)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS = 1e-3


class Conv(NamedTuple):
    """A convolution of the table below."""

    dim: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    pad: bool = True


Step = Conv | tuple[Conv, Conv]  # the latter stand side by side


class ConvNorm(nn.Module):
    """Convolution, norm, ReLU: (b, c, h, w) -> (b, d, h', w')."""

    def __init__(self, in_dim: int, spec: Conv) -> None:
        super().__init__()
        height, width = spec.kernel
        self.conv = nn.Conv2d(
            in_dim,
            spec.dim,
            spec.kernel,
            stride=spec.stride,
            padding=(height // 2, width // 2) if spec.pad else 0,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(spec.dim, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, dim, h', w')."""
        return functional.relu_(self.bn(self.conv(x)))  # maps are large: no copy


class Block(nn.Module):
    """Branches side by side, their channels put together.

    The layers are named as in torchvision: `branch1x1`, or `branch5x5_1`,
    `branch5x5_2`, or `branch3x3_2a` and `branch3x3_2b` for two side by side.

    Args:
        in_dim: Channels that come in.
        branches: Steps of each branch, by name; that of `branch_pool` come after
            pooling.
        pool: The pooling.
    """

    def __init__(
        self, in_dim: int, branches: Mapping[str, Sequence[Step]], *, pool: nn.Module
    ) -> None:
        super().__init__()
        self.pool = pool
        self._branches: dict[str, list[list[str]]] = {}
        self.out_dim = 0
        for branch, steps in branches.items():
            dim, names = in_dim, []
            for number, step in enumerate(steps, start=1):
                alone = isinstance(step, Conv)
                convs = [step] if isinstance(step, Conv) else list(step)
                stem = branch if len(steps) == 1 else f'{branch}_{number}'
                names.append([stem if alone else stem + side for side in 'ab'])
                names[-1] = names[-1][: len(convs)]
                for name, conv in zip(names[-1], convs, strict=True):
                    self.add_module(name, ConvNorm(dim, conv))
                dim = sum(conv.dim for conv in convs)
            self._branches[branch] = names
            self.out_dim += dim

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h', w')."""
        outputs = []
        for branch, steps in self._branches.items():
            hidden = self.pool(x) if branch == 'branch_pool' else x
            for names in steps:
                parts = [self.get_submodule(name)(hidden) for name in names]
                hidden = torch.cat(parts, 1)
            outputs.append(hidden)
        return torch.cat(outputs, 1)


def average() -> nn.Module:
    """Pool 3 x 3 neighbours; padding does not count."""
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def halve() -> nn.Module:
    """Take the largest of 3 x 3, every second one."""
    return nn.MaxPool2d(3, stride=2)


def block_5(in_dim: int, *, pool_dim: int) -> Block:
    """Return a block of 35 x 35 maps."""
    dbl = [Conv(64), Conv(96, (3, 3)), Conv(96, (3, 3))]
    return Block(
        in_dim,
        dict(
            branch1x1=[Conv(64)],
            branch5x5=[Conv(48), Conv(64, (5, 5))],
            branch3x3dbl=dbl,
            branch_pool=[Conv(pool_dim)],
        ),
        pool=average(),
    )


def block_6a(in_dim: int) -> Block:
    """Return the block from 35 x 35 to 17 x 17."""
    last = Conv(96, (3, 3), 2, pad=False)
    return Block(
        in_dim,
        dict(
            branch3x3=[Conv(384, (3, 3), 2, pad=False)],
            branch3x3dbl=[Conv(64), Conv(96, (3, 3)), last],
            branch_pool=[],
        ),
        pool=halve(),
    )


def block_6(in_dim: int, *, dim: int) -> Block:
    """Return a block of 17 x 17 maps, with `dim` channels within."""
    wide, tall = Conv(dim, (1, 7)), Conv(dim, (7, 1))
    return Block(
        in_dim,
        dict(
            branch1x1=[Conv(192)],
            branch7x7=[Conv(dim), wide, Conv(192, (7, 1))],
            branch7x7dbl=[Conv(dim), tall, wide, tall, Conv(192, (1, 7))],
            branch_pool=[Conv(192)],
        ),
        pool=average(),
    )


def block_7a(in_dim: int) -> Block:
    """Return the block from 17 x 17 to 8 x 8."""
    last = Conv(192, (3, 3), 2, pad=False)
    return Block(
        in_dim,
        dict(
            branch3x3=[Conv(192), Conv(320, (3, 3), 2, pad=False)],
            branch7x7x3=[Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), last],
            branch_pool=[],
        ),
        pool=halve(),
    )


def block_7(in_dim: int, *, pool: nn.Module) -> Block:
    """Return a block of 8 x 8 maps."""
    split = (Conv(384, (1, 3)), Conv(384, (3, 1)))
    return Block(
        in_dim,
        dict(
            branch1x1=[Conv(320)],
            branch3x3=[Conv(384), split],
            branch3x3dbl=[Conv(448), Conv(384, (3, 3)), split],
            branch_pool=[Conv(192)],
        ),
        pool=pool,
    )
