"""Blocks: attention against its formula, sizes, frozen modules and state dicts."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from vq.models import layers
from vq.models.norms import GroupNorm

NORM = partial(GroupNorm, groups=2)


def test_attention_equals_its_formula():
    block = layers.AttentionBlock(dim=8, norm=NORM).double()
    latent = torch.randn(2, 8, 3, 4, dtype=torch.float64)
    normed = functional.group_norm(
        latent, 2, block.norm.weight, block.norm.bias, eps=1e-6
    ).flatten(2)

    def project(layer):
        weight = layer.weight[:, :, 0, 0]
        return weight @ normed + layer.bias[:, None]

    query, key, value = (project(x) for x in (block.query, block.key, block.value))
    scores = torch.softmax(query.transpose(1, 2) @ key / math.sqrt(8), dim=-1)
    mixed = value @ scores.transpose(1, 2)
    out = block.out.weight[:, :, 0, 0] @ mixed + block.out.bias[:, None]
    torch.testing.assert_close(block(latent), latent + out.view_as(latent))


def test_downsample_pads_right_and_bottom():
    block = layers.Downsample(dim=1)
    nn.init.zeros_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    block.conv.weight.data[0, 0, 0, 0] = 1  # picks each window's top left pixel
    latent = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(block(latent), latent[:, :, ::2, ::2])


def test_upsample_repeats_pixels():
    block = layers.Upsample(dim=1)
    nn.init.zeros_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    block.conv.weight.data[0, 0, 1, 1] = 1
    latent = torch.arange(4.0).view(1, 1, 2, 2)
    expected = latent.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert torch.equal(block(latent), expected)


def test_residual_block_is_shortcut_plus_convolutions():
    block = layers.ResidualBlock(in_dim=4, out_dim=6, norm=NORM)
    latent = torch.randn(1, 4, 5, 5)
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    torch.testing.assert_close(block(latent), block.shortcut(latent))
    same = layers.ResidualBlock(in_dim=4, out_dim=4, norm=NORM)
    assert isinstance(same.shortcut, nn.Identity)


def test_frozen_context_puts_back_what_it_found():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    with layers.frozen(module):
        assert not any(p.requires_grad for p in module.parameters())
    assert [p.requires_grad for p in module.parameters()] == [False, False, True, True]


def test_full_precision_survives_autocast():
    left = torch.randn(16, 16)
    with torch.autocast('cpu', torch.bfloat16):
        assert (left @ left).dtype == torch.bfloat16
        with layers.full_precision(left):
            assert (left @ left).dtype == torch.float32
    assert layers.at_least_float32(left.half()).dtype == torch.float32
    assert layers.at_least_float32(left.double()).dtype == torch.float64


def test_differentiated_once_has_the_value_and_the_gradient_of_its_function():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 2, 3)
    calls = []

    def function(image):
        calls.append(1)
        return layer(image).square().mean()

    image = torch.randn(2, 3, 6, 6, requires_grad=True)
    (expected,) = torch.autograd.grad(3 * function(image), image)
    value = layers.differentiated_once(function, image)
    assert torch.equal(value, function(image))
    calls.clear()
    for _ in range(2):  # the adaptive weight, and the update
        (gradient,) = torch.autograd.grad(3 * value, image, retain_graph=True)
        torch.testing.assert_close(gradient, expected)
    assert not calls and layer.weight.grad is None


def test_differentiated_once_weighs_each_image_by_its_own_gradient():
    image = torch.randn(3, 1, 2, 2, requires_grad=True)
    distance = layers.differentiated_once(lambda x: x.square().sum((1, 2, 3)), image)
    weights = torch.tensor([1.0, 0.0, -2.0])
    (gradient,) = torch.autograd.grad((distance * weights).sum(), image)
    torch.testing.assert_close(gradient, 2 * image * weights[:, None, None, None])


def test_differentiated_once_refuses_a_second_order():
    image = torch.randn(1, 1, 2, 2, requires_grad=True)
    value = layers.differentiated_once(lambda x: x.pow(3).sum(), image)
    (gradient,) = torch.autograd.grad(value, image, create_graph=True)
    with pytest.raises(RuntimeError, match='does not require grad'):
        gradient.sum().backward()


def test_differentiated_once_keeps_small_gradients_in_half_precision():
    image = torch.ones(1, 1, 2, 2, dtype=torch.float16, requires_grad=True)
    value = layers.differentiated_once(lambda x: 1e-7 * x.half().float().sum(), image)
    (gradient,) = torch.autograd.grad(value * 2.0**16, image)
    assert (gradient > 0.006).all()
