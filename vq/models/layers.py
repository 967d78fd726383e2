"""Building blocks of convolutional autoencoders, as in VQGAN (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from vq.models.norms import GroupNorm, Norm

T = TypeVar('T')
SCALE = 2.0**12  # a power of two: it changes no digit, but keeps fp16 from underflow


@contextmanager
def full_precision(tensor: Tensor) -> Iterator[None]:
    """Turn autocast and TF32 off for maths on `tensor`'s device."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    try:
        if torch.amp.is_autocast_available(tensor.device.type):
            with torch.autocast(tensor.device.type, enabled=False):
                yield
        else:  # the meta device
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def same_precision(
    device: torch.device,
) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """Return what lets a function run, later, under the autocast of now."""
    enabled = torch.is_autocast_enabled(device.type)
    dtype = torch.get_autocast_dtype(device.type)

    def within(function: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            with torch.autocast(device.type, dtype=dtype, enabled=enabled):
                return function()

        return run

    return within


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return half-precision tensors as float32, others as they are; any shape."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class _Once(torch.autograd.Function):
    """See `differentiated_once`."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, function: Callable[[Tensor], Tensor]
    ) -> Tensor:
        leaf = at_least_float32(image.detach()).requires_grad_()
        with torch.enable_grad():
            value = function(leaf)
            (gradient,) = torch.autograd.grad(value.sum() * SCALE, leaf)
        ctx.save_for_backward(gradient / SCALE)
        ctx.dtype = image.dtype
        return value.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        product = gradient * grad_output[..., None, None, None]
        return product.to(ctx.dtype), None


def differentiated_once(function: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Return `function(image)`, having gone back through `function` at once.

    A GAN's losses are differentiated twice, for the adaptive weight and for the update.
    With the gradient at hand both cost a product, and what `function` has stored is
    gone before the decoder's backward pass begins. It cannot be differentiated to the
    second order, and gives no gradient to anything but the image.

    Args:
        function: Images (b, c, h, w) to a scalar or, each to its own, to (b,).
        image: (b, c, h, w); as at least float32 it is given to the function.
    """
    value: Tensor = _Once.apply(image, function)
    return value


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let no parameter of `module` require a gradient for the time being."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class Unchanged(nn.Module):
    """Stands where a block could be."""

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the latent (b, dim, h, w)."""
        del condition
        return latent


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut.

    Every block hands its `condition`, what a decoder's normalisations may look at, to
    its normalisations.

    Args:
        in_dim: Channels in.
        out_dim: Channels out; where they differ the shortcut is a 1x1 convolution.
        norm: Makes a normalisation of so many channels.
    """

    def __init__(self, *, in_dim: int, out_dim: int, norm: Norm = GroupNorm) -> None:
        super().__init__()
        self.norm1 = norm(in_dim)
        self.conv1 = nn.Conv2d(in_dim, out_dim, 3, padding=1)
        self.norm2 = norm(out_dim)
        self.conv2 = nn.Conv2d(out_dim, out_dim, 3, padding=1)
        self.shortcut: nn.Module = (
            nn.Identity() if in_dim == out_dim else nn.Conv2d(in_dim, out_dim, 1)
        )

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h, w)."""
        hidden = self.conv1(functional.silu(self.norm1(latent, condition)))
        hidden = self.conv2(functional.silu(self.norm2(hidden, condition)))
        out: Tensor = self.shortcut(latent) + hidden
        return out


class AttentionBlock(nn.Module):
    """Single-head attention over all positions, beside a shortcut.

    Args:
        dim: Channels.
        norm: Makes a normalisation of so many channels.
    """

    def __init__(self, *, dim: int, norm: Norm = GroupNorm) -> None:
        super().__init__()
        self.norm = norm(dim)
        self.query = nn.Conv2d(dim, dim, 1)
        self.key = nn.Conv2d(dim, dim, 1)
        self.value = nn.Conv2d(dim, dim, 1)
        self.out = nn.Conv2d(dim, dim, 1)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (b, dim, h, w) to the same shape."""
        height = latent.shape[-2]
        normed = self.norm(latent, condition)
        query, key, value = (
            rearrange(layer(normed), 'b d h w -> b 1 (h w) d')
            for layer in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(rearrange(mixed, 'b 1 (h w) d -> b d h w', h=height))
        return latent + out


class Downsample(nn.Module):
    """Halve height and width by a strided convolution.

    Args:
        dim: Channels.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, stride=2)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (b, dim, h, w) to (b, dim, h / 2, w / 2)."""
        # Zeros on the right and at the bottom only, as in the published weights.
        halved: Tensor = self.conv(functional.pad(latent, [0, 1, 0, 1]))
        return halved


class Upsample(nn.Module):
    """Double height and width: nearest neighbour, then a convolution.

    Args:
        dim: Channels.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (b, dim, h, w) to (b, dim, 2 h, 2 w)."""
        doubled: Tensor = self.conv(functional.interpolate(latent, scale_factor=2.0))
        return doubled


class MidBlock(nn.Module):
    """The refining block at the lowest resolution: residual, attention, residual.

    Args:
        dim: Channels.
        norm: Makes a normalisation of so many channels.
    """

    def __init__(self, *, dim: int, norm: Norm = GroupNorm) -> None:
        super().__init__()
        self.block1 = ResidualBlock(in_dim=dim, out_dim=dim, norm=norm)
        self.attention = AttentionBlock(dim=dim, norm=norm)
        self.block2 = ResidualBlock(in_dim=dim, out_dim=dim, norm=norm)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (b, dim, h, w) to the same shape."""
        for layer in (self.block1, self.attention, self.block2):
            latent = layer(latent, condition)
        return latent


class Level(nn.Module):
    """All blocks of one resolution, then a change of resolution.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        depth: Number of residual blocks.
        attention: Put an attention block behind each residual block.
        resample: `Downsample`, `Upsample`, or None where the resolution stays.
        norm: Makes a normalisation of so many channels.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        out_dim: int,
        depth: int,
        attention: bool,
        resample: type[Downsample] | type[Upsample] | None,
        norm: Norm = GroupNorm,
    ) -> None:
        super().__init__()
        dims = [in_dim] + [out_dim] * depth
        self.blocks = nn.ModuleList(
            ResidualBlock(in_dim=i, out_dim=o, norm=norm)
            for i, o in zip(dims[:-1], dims[1:], strict=True)
        )
        self.attentions = nn.ModuleList(
            AttentionBlock(dim=out_dim, norm=norm) if attention else Unchanged()
            for _ in range(depth)
        )
        self.resample = nn.Identity() if resample is None else resample(dim=out_dim)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (b, in_dim, h, w) to (b, out_dim, h', w')."""
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            latent = attention(block(latent, condition), condition)
        resampled: Tensor = self.resample(latent)
        return resampled
