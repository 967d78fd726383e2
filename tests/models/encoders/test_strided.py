"""The strided encoder equals its formula; sizes; parameters by formula."""

import pytest
import torch
from torch.nn import functional

from vq.models import StridedEncoder

TINY = {'dims': (8, 16), 'latent_dim': 4, 'norm_groups': 4}


def conv(state, name, hidden, **options):
    weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
    return functional.conv2d(hidden, weight, bias, **options)


def block(state, name, hidden, *, norm, act):
    """Conv, norm, activation, twice, and the shortcut."""
    out = hidden
    for i in (1, 2):
        out = conv(state, f'{name}.conv{i}', out, padding=1)
        affine = state[f'{name}.norm{i}.weight'], state[f'{name}.norm{i}.bias']
        if norm == 'group':
            out = functional.group_norm(out, 4, *affine, eps=1e-6)
        else:
            averages = (
                state[f'{name}.norm{i}.running_mean'],
                state[f'{name}.norm{i}.running_var'],
            )
            out = functional.batch_norm(out, *averages, *affine)
        out = act(out)
    return hidden + out


def attend(state, name, hidden):
    b, d, h, w = hidden.shape
    affine = state[f'{name}.norm.weight'], state[f'{name}.norm.bias']
    normed = functional.group_norm(hidden, 4, *affine, eps=1e-6)
    q, k, v = (
        conv(state, f'{name}.{part}', normed).view(b, d, h * w)
        for part in ('query', 'key', 'value')
    )
    scores = (q.transpose(1, 2) @ k / d**0.5).softmax(-1)
    mixed = (v @ scores.transpose(1, 2)).view(b, d, h, w)
    return hidden + conv(state, f'{name}.out', mixed)


def shaken(module):
    """Move all weights and averages, so that no norm is an identity."""
    torch.manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand_like(tensor) * 0.1)
    return module.double().eval()


@pytest.mark.parametrize(
    ('norm', 'activation', 'kernel', 'attention'),
    [
        ('group', 'relu', 4, ()),
        ('group', 'silu', 3, (-1,)),
        ('batch', 'relu', 4, (0,)),
    ],
)
def test_equals_its_formula(norm, activation, kernel, attention):
    encoder = shaken(
        StridedEncoder(
            **TINY,
            norm=norm,
            activation=activation,
            kernel=kernel,
            attention=attention,
        )
    )
    state, act = encoder.state_dict(), getattr(functional, activation)
    image = torch.randn(2, 3, 16, 24, dtype=torch.float64)
    hidden = conv(state, 'stem', image, padding=1)
    for i in range(2):
        hidden = conv(state, f'downs.{i}', hidden, stride=2, padding=1)
        for j in range(2):
            hidden = block(state, f'stages.{i}.{j}', hidden, norm=norm, act=act)
        if i in [range(2)[k] for k in attention]:
            hidden = attend(state, f'stages.{i}.2', hidden)
    expected = conv(state, 'head', hidden, padding=1)
    torch.testing.assert_close(encoder(image), expected)
    assert expected.shape == (2, 4, 4, 6)


def parameters(dims, *, depth, kernel, latent, attentive=()):
    """Weights and biases of all convolutions and norms."""
    count = 3 * 9 * dims[0] + dims[0]
    for i, (before, dim) in enumerate(zip((dims[0], *dims[:-1]), dims, strict=True)):
        count += before * kernel**2 * dim + dim
        count += depth * 2 * (dim * 9 * dim + dim + 2 * dim)
        count += (4 * (dim * dim + dim) + 2 * dim) * (i in attentive)
    return count + dims[-1] * 9 * latent + latent


@pytest.mark.parametrize(
    ('options', 'attentive', 'latent'),
    [({}, (), 256), ({'latent_dim': 384, 'attention': (-1, -2)}, (2, 3), 384)],
)
def test_full_size(options, attentive, latent):
    with torch.device('meta'):
        encoder = StridedEncoder(**options)
        out = encoder(torch.empty(2, 3, 256, 256))
    assert sum(p.numel() for p in encoder.parameters()) == parameters(
        (128, 256, 256, 256), depth=2, kernel=4, latent=latent, attentive=attentive
    )
    assert out.shape == (2, latent, 16, 16)
    assert (encoder.out_dim, encoder.downscale) == (latent, 16)


def test_batch_norms_learn_averages_in_training_and_use_them_in_evaluation():
    encoder = StridedEncoder(**TINY, norm='batch')
    images = torch.randn(4, 3, 8, 8)
    before = encoder.eval()(images)
    assert torch.equal(encoder(images), before)
    torch.testing.assert_close(encoder(images[:1]), before[:1])  # each for itself
    conv1 = conv(encoder.state_dict(), 'stem', images, padding=1)
    conv1 = conv(encoder.state_dict(), 'downs.0', conv1, stride=2, padding=1)
    conv1 = conv(encoder.state_dict(), 'stages.0.0.conv1', conv1, padding=1)
    encoder.train()(images)
    averages = encoder.stages[0][0].norm1.running_mean
    torch.testing.assert_close(averages, 0.1 * conv1.mean((0, 2, 3)))
    assert not torch.allclose(encoder.eval()(images), before)


@pytest.mark.parametrize(
    'options', [{'kernel': 5}, {'norm': 'layer'}, {'activation': 'gelu'}]
)
def test_wrong_arguments_are_named(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f'{name} must be .*{value}'):
        StridedEncoder(**TINY, **options)
