"""What every discriminator can do: R1, half precision, NHWC, compile, GPU, a VQGAN."""

import copy
import math

import pytest
import torch
from torch import nn

from tests.models import tiny
from vq.models.discriminators.equalized import EqualizedConv2d, EqualizedLinear
from vq.registry import MODELS

EQUALIZED = (EqualizedConv2d, EqualizedLinear)
NORMS = ('batch', 'sync_batch', 'act', 'spectral', 'none')
CONFIGS = {
    **{
        f'patch-{norm}': dict(type='PatchDiscriminator', depth=2, width=4, norm=norm)
        for norm in NORMS
    },
    'stylegan2': dict(type='StyleGAN2Discriminator', image_size=32, max_dim=4),
    'stylegan': dict(type='StyleGANDiscriminator', image_size=32, max_dim=4),
}


@pytest.fixture(params=CONFIGS)
def module(request):
    """A discriminator whose logits are of the order of 1."""
    module = MODELS.build(CONFIGS[request.param])
    plain = (nn.Conv2d, nn.Linear)
    for layer in module.modules():
        if isinstance(layer, plain) and not isinstance(layer, EQUALIZED):
            (weight,) = (p for p in layer.parameters() if p.dim() > 1)
            nn.init.normal_(weight, 0, math.sqrt(2 / weight[0].numel()))
    return module


def images(number=2, **options):
    return torch.randn(number, 3, 32, 32, **options)


def penalty(module, image):
    (slope,) = torch.autograd.grad(module(image).sum(), image, create_graph=True)
    return slope.square().sum()


def test_gradient_of_r1_by_finite_differences(module):
    """Along a random direction of each weight and of the image."""
    module = module.double().train()
    image = images(dtype=torch.float64)
    module(image)  # ActNorm has seen a batch
    module.eval()
    image.requires_grad_()
    value = penalty(module, image)
    weights = {k: p for k, p in module.named_parameters() if p.dim() > 1}
    moved = [*weights.values(), image]
    gradients = torch.autograd.grad(value, moved, allow_unused=True)
    for tensor, gradient in zip(moved, gradients, strict=True):
        # Leaky ReLUs make the slope jump: a small step seldom meets a jump.
        step, direction = 1e-7, torch.randn_like(tensor)
        ends = []
        for sign in (1, -2):
            tensor.data += sign * step * direction
            ends.append(penalty(module, image).detach())
        tensor.data += step * direction
        estimate = (ends[0] - ends[1]) / (2 * step)
        exact = estimate * 0 if gradient is None else (gradient * direction).sum()
        torch.testing.assert_close(
            estimate, exact, rtol=1e-4, atol=1e-6 * float(value.detach())
        )
    for name, gradient in zip(weights, gradients, strict=False):
        # A shift only moves the jumps.
        assert name.endswith('norm.loc') or gradient.any()


def test_half_precision_follows_float32(module):
    module.train()
    image = images()
    module(image)
    module.eval()
    expected = module(image)
    with torch.autocast('cpu', torch.bfloat16):
        logits = module(image)
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.05)
    logits.float().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_channels_last(module):
    module.train()
    other = copy.deepcopy(module).to(memory_format=torch.channels_last)
    image = images()
    expected, logits = (
        module(image),
        other(image.to(memory_format=torch.channels_last)),
    )
    torch.testing.assert_close(logits, expected)


def test_meta_device():
    for config in CONFIGS.values():
        with torch.device('meta'):
            module = MODELS.build(config)
            logits = module(torch.empty(2, 3, 32, 32))
        expected = MODELS.build(config)(images())
        assert logits.is_meta and logits.shape == expected.shape


def test_compiled(module):
    module.train()
    other = copy.deepcopy(module)
    other.compile(backend='eager')
    for image in (images(), images()):
        torch.testing.assert_close(other(image), module(image))


def test_trains_a_vqgan(module):
    model = MODELS.build(tiny.vqgan(regularizers=dict(r1=dict(type='R1Penalty'))))
    model.discriminator = module
    batch, other = tiny.batch(size=32), copy.deepcopy(module)
    loss = model.generator_loss(batch, 1.0)
    expected = -other(loss.reconstruction.image).mean()
    torch.testing.assert_close(loss.logs['generator_loss'], expected.detach())
    steps = tiny.adam(model)
    before = copy.deepcopy(module.state_dict())
    for iteration in range(2):
        steps.iteration = iteration
        logs = model.train_step(batch, steps)
    assert all(value.isfinite().all() for value in logs.values())
    after = module.state_dict()
    assert any(not torch.equal(after[key], before[key]) for key in before)


@pytest.mark.gpu
def test_gpu_equals_cpu(module, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    module.train()
    image = images(4)
    other = copy.deepcopy(module).cuda()
    for _ in range(2):
        expected, logits = module(image), other(image.cuda())
        torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-4)
    for key, value in other.state_dict().items():
        torch.testing.assert_close(
            value.cpu(), module.state_dict()[key], rtol=1e-3, atol=1e-4
        )
    with torch.autocast('cuda', torch.bfloat16):
        half = other.eval()(image.cuda())
    torch.testing.assert_close(
        half.float().cpu(), module.eval()(image), rtol=0.1, atol=0.05
    )
