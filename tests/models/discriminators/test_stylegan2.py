"""StyleGAN2Discriminator: its pieces by independent formulas, sizes, statistics."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from vq.models import StyleGAN2Discriminator
from vq.models.discriminators.equalized import EqualizedConv2d, EqualizedLinear
from vq.models.discriminators.stylegan2 import (
    StyleGAN2Block,
    activate,
    minibatch_deviation,
)


@pytest.mark.parametrize(
    ('batch', 'group'), [(8, 4), (4, 4), (6, 3), (2, 2), (5, 1), (1, 1), (9, 3)]
)
def test_minibatch_deviation_equals_a_loop(batch, group):
    hidden = torch.randn(batch, 3, 2, 2, dtype=torch.float64)
    out = minibatch_deviation(hidden)
    number = batch // group
    for i in range(batch):
        # The groups are interleaved: image i is with i + number, i + 2 number ...
        members = [hidden[j].numpy() for j in range(batch) if j % number == i % number]
        assert len(members) == group
        deviation = np.sqrt(np.var(members, axis=0) + 1e-8).mean()
        np.testing.assert_allclose(out[i, 3], deviation)
    assert torch.equal(out[:, :3], hidden)


def blurred(hidden, padding):
    kernel = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]).double()] * 2) / 64
    return torch.stack(
        [
            functional.conv2d(functional.pad(c, [padding] * 4), kernel[None, None])
            for c in hidden.split(1, dim=1)
        ],
        dim=2,
    ).squeeze(1)


def test_block():
    block = StyleGAN2Block(in_dim=3, out_dim=4).double()
    for bias in (block.conv1.bias, block.conv2.bias):
        nn.init.normal_(bias)
    hidden = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def conv(layer, hidden, **options):
        scale = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
        return functional.conv2d(hidden, layer.weight * scale, layer.bias, **options)

    def leaky(hidden):
        return torch.where(hidden > 0, hidden, 0.2 * hidden) * 2**0.5

    main = leaky(conv(block.conv1, hidden, padding=1))
    main = leaky(conv(block.conv2, blurred(main, 2), stride=2))
    shortcut = conv(block.shortcut, blurred(hidden, 1), stride=2)
    torch.testing.assert_close(block(hidden), (main + shortcut) / 2**0.5)


@pytest.mark.parametrize(
    ('image_size', 'millions'), [(32, 21.51), (256, 28.86), (1024, 29.01)]
)
def test_full_size(image_size, millions):
    sides = [image_size >> i for i in range(int(math.log2(image_size)) - 1)]
    dims = [min(512, 32768 // side) for side in sides]
    count = 3 * dims[0] + dims[0]
    for i, o in zip(dims[:-1], dims[1:], strict=True):
        count += 9 * i * i + i + 9 * i * o + o + i * o
    count += 9 * 513 * 512 + 512 + 8192 * 512 + 512 + 513
    with torch.device('meta'):
        module = StyleGAN2Discriminator(image_size=image_size)
        logits = module(torch.empty(2, 3, image_size, image_size))
    assert sum(p.numel() for p in module.parameters()) == count
    assert round(count / 1e6, 2) == millions
    assert logits.shape == (2, 1)


def test_initial_weights_keep_the_variance():
    hidden = torch.randn(64, 32, 8, 8)
    conv = EqualizedConv2d(32, 32, 3)
    # Gain sqrt 2 of a leaky ReLU with slope 0.2 leaves (1 + 0.2^2) of the variance.
    power = activate(conv(hidden)).square().mean()
    assert abs(power / 1.04 - 1) < 0.1
    module = StyleGAN2Discriminator(image_size=32, max_dim=8)
    before = [p.clone() for p in module.parameters()]
    module.reset_parameters()
    for old, new in zip(before, module.parameters(), strict=True):
        assert torch.equal(old, new) is (new.dim() == 1)
    for layer in module.modules():
        if isinstance(layer, EqualizedConv2d | EqualizedLinear):
            assert layer.bias is None or not layer.bias.any()


def test_drawn_after_the_meta_device_as_without_it():
    with torch.device('meta'):
        module = StyleGAN2Discriminator(image_size=32, max_dim=4)
    torch.manual_seed(1)
    module.to_empty(device='cpu').reset_parameters()
    torch.manual_seed(1)
    expected = StyleGAN2Discriminator(image_size=32, max_dim=4)
    image = torch.randn(2, 3, 32, 32)
    assert torch.equal(module(image), expected(image))


def test_wrong_sizes():
    with pytest.raises(ValueError, match='power of two from 32 up, got 48'):
        StyleGAN2Discriminator(image_size=48)
    with pytest.raises(ValueError, match='from 32 up, got 16'):
        StyleGAN2Discriminator(image_size=16)
    module = StyleGAN2Discriminator(image_size=32, max_dim=4)
    with pytest.raises(ValueError, match='got 64 x 64'):
        module(torch.empty(1, 3, 64, 64))
