"""The upsampling decoder equals its formula; sizes; parameters by formula."""

import pytest
import torch
from torch.nn import functional

from tests.models.encoders.test_strided import attend, block, conv, shaken
from vq.models import StridedEncoder, UpsamplingDecoder

TINY = {'dims': (16, 8), 'latent_dim': 4, 'head_dim': 6, 'norm_groups': 4}


@pytest.mark.parametrize(
    ('norm', 'activation', 'resize', 'attention'),
    [
        ('group', 'relu', 'nearest', ()),
        ('group', 'silu', 'bilinear', (0,)),
        ('batch', 'relu', 'nearest', (-1,)),
    ],
)
def test_equals_its_formula(norm, activation, resize, attention):
    decoder = shaken(
        UpsamplingDecoder(
            **TINY,
            norm=norm,
            activation=activation,
            resize=resize,
            attention=attention,
        )
    )
    state, act = decoder.state_dict(), getattr(functional, activation)
    latent = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    hidden = conv(state, 'stem', latent, padding=1)
    for i in range(2):
        for j in range(2):
            hidden = block(state, f'stages.{i}.{j}', hidden, norm=norm, act=act)
        if i in [range(2)[k] for k in attention]:
            hidden = attend(state, f'stages.{i}.2', hidden)
        if resize == 'nearest':
            hidden = hidden.repeat_interleave(2, -1).repeat_interleave(2, -2)
        else:
            hidden = halfway(halfway(hidden, -1), -2)
        hidden = conv(state, f'ups.{i}', hidden, padding=1)
    hidden = conv(state, 'head.0', hidden, padding=1).clamp(min=0)
    expected = torch.tanh(conv(state, 'head.2', hidden, padding=1))
    torch.testing.assert_close(decoder(latent), expected)
    assert expected.shape == (2, 3, 12, 20)
    assert decoder.last_parameter is decoder.head[2].weight


def halfway(values, axis):
    """Double an axis: three quarters of the nearest value, a quarter of the next."""
    size = values.shape[axis]
    left = values.index_select(axis, torch.arange(-1, size - 1).clamp(min=0))
    right = values.index_select(axis, torch.arange(1, size + 1).clamp(max=size - 1))
    pairs = [0.75 * values + 0.25 * other for other in (left, right)]
    return torch.stack(pairs, dim=axis % 4 + 1).flatten(axis % 4, axis % 4 + 1)


@pytest.mark.parametrize('latent', [256, 384])
def test_full_size(latent):
    with torch.device('meta'):
        decoder = UpsamplingDecoder(latent_dim=latent, attention=(0,))
        image = decoder(torch.empty(2, latent, 16, 16))
        sizes = [16 * 2**i for i in range(4)]
        seen = []
        for stage in decoder.stages:
            stage.register_forward_hook(lambda _, __, out: seen.append(out.shape))
        decoder(torch.empty(2, latent, 16, 16))
    count = latent * 9 * 256 + 256  # the stem
    count += 4 * 2 * 2 * (256 * 9 * 256 + 256 + 2 * 256)  # the residual blocks
    count += 4 * (256 * 256 + 256) + 2 * 256  # the attention
    count += 3 * (256 * 9 * 256 + 256) + 256 * 9 * 128 + 128  # behind upsampling
    count += 128 * 9 * 64 + 64 + 64 * 9 * 3 + 3  # the head
    assert sum(p.numel() for p in decoder.parameters()) == count
    assert image.shape == (2, 3, 256, 256)
    assert seen == [(2, 256, size, size) for size in sizes]
    assert (decoder.in_dim, decoder.upscale) == (latent, 16)


def test_mirrors_the_encoder():
    encoder = StridedEncoder(dims=(8, 16), latent_dim=4, norm_groups=4)
    decoder = UpsamplingDecoder(**TINY)
    image = torch.randn(1, 3, 12, 20)
    assert decoder(encoder(image)).shape == image.shape


def test_tanh_is_of_full_precision_under_autocast():
    decoder = UpsamplingDecoder(**TINY)
    latent = torch.randn(1, 4, 4, 4)
    with torch.autocast('cpu', torch.bfloat16):
        image = decoder(latent)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image, decoder(latent), atol=2e-2, rtol=0)
    assert not torch.equal(image, image.bfloat16().float())


@pytest.mark.parametrize(
    'options', [{'resize': 'bicubic'}, {'norm': 'layer'}, {'activation': 'gelu'}]
)
def test_wrong_arguments_are_named(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f'{name} must be .*{value}'):
        UpsamplingDecoder(**TINY, **options)
