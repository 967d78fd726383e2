"""SpectralConv2d: torch's spectral norm; its vectors rest, last and come back."""

import copy

import torch
from torch import nn
from torch.nn.utils import parametrizations

from vq.models import PatchDiscriminator
from vq.models.discriminators.spectral import SpectralConv2d
from vq.models.layers import frozen


def gain(conv):
    """Return the largest singular value of a convolution's weight, by LAPACK."""
    return torch.linalg.matrix_norm(conv.weight.detach().flatten(1), ord=2)


def buffers(module):
    return {key: value.clone() for key, value in module.named_buffers()}


def test_the_norm_is_one():
    conv = SpectralConv2d(3, 6, 4, stride=2, padding=1).double()
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for _ in range(100):
        out = conv(image)
    torch.testing.assert_close(gain(conv.eval()), torch.tensor(1.0).double())
    raw = conv.parametrizations.weight.original
    weight = raw / torch.linalg.matrix_norm(raw.flatten(1), ord=2)
    expected = nn.functional.conv2d(image, weight, conv.bias, stride=2, padding=1)
    torch.testing.assert_close(out, expected)


def test_equals_torch_under_autocast_too():
    conv = SpectralConv2d(3, 6, 3)
    other = nn.Conv2d(3, 6, 3)
    parametrizations.spectral_norm(other)
    other.load_state_dict(conv.state_dict())
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(conv(image), other(image), rtol=0, atol=0)
    with torch.autocast('cpu', torch.bfloat16):
        conv(image)
    other(image)
    assert all(map(torch.equal, conv.buffers(), other.buffers()))


def discriminator():
    return PatchDiscriminator(norm='spectral', depth=2, width=4)


def test_every_convolution_is_normalised():
    module = discriminator()
    convs = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convs) == 4 and all(conv.bias is not None for conv in convs)
    module.eval()
    for conv in convs:
        assert abs(gain(conv) - 1) < 0.2
        raw = conv.parametrizations.weight.original
        assert abs(raw.std() - 0.02) < 0.01 and not conv.bias.any()


def test_vectors_move_in_training_only():
    module, image = discriminator(), torch.randn(2, 3, 16, 16)
    before = buffers(module)
    first, second = module.eval()(image), module(image)
    assert torch.equal(first, second)
    assert all(map(torch.equal, before.values(), buffers(module).values()))
    with frozen(module):
        module.train()(image)
    # The head has one channel, whose norm is exact from the first iteration on.
    moved = [key for key, value in buffers(module).items() if key[:4] != 'head']
    assert not any(torch.equal(before[key], buffers(module)[key]) for key in moved)


def test_frozen_weights_get_no_gradient_and_pass_it_on():
    module, image = discriminator(), torch.randn(2, 3, 16, 16, requires_grad=True)
    with frozen(module):
        module(image).mean().backward()
    assert image.grad.any()
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def steps(module, optimizer, images):
    for image in images:
        optimizer.zero_grad()
        (module(image).relu().mean() - module(-image).mean()).backward()
        optimizer.step()


def test_a_resumed_run_equals_an_uninterrupted():
    images = torch.randn(4, 2, 3, 16, 16)
    whole = discriminator()
    parts = copy.deepcopy(whole)
    adam = torch.optim.Adam(whole.parameters())
    steps(whole, adam, images)
    half = torch.optim.Adam(parts.parameters())
    steps(parts, half, images[:2])
    resumed = discriminator()
    resumed.load_state_dict(parts.state_dict())
    again = torch.optim.Adam(resumed.parameters())
    again.load_state_dict(half.state_dict())
    steps(resumed, again, images[2:])
    pairs = zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True)
    assert all(k == n and torch.equal(v, w) for (k, v), (n, w) in pairs)


def test_drawing_anew_keeps_the_parameters_that_optimizers_hold():
    module = discriminator()
    held = list(module.parameters())
    before = [p.clone() for p in held if p.dim() == 4]
    module.reset_parameters()
    assert all(a is b for a, b in zip(held, module.parameters(), strict=True))
    after = [p for p in held if p.dim() == 4]
    assert not any(map(torch.equal, before, after))
