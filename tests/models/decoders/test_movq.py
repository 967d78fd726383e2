"""MoVQ's decoder: what it is without modulation, and beside which quantizers.

The whole decoder is compared in tests/models/test_golden_movq.py.
"""

import pytest
import torch
from torch.nn import functional

from tests.models import tiny
from vq.models import MoVQDecoder
from vq.models.norms import SpatialNorm
from vq.registry import MODELS

MOVQ = tiny.VQGAN['decoder'] | dict(type='MoVQDecoder', latent_dim=4, stem_dim=8)


def vqgan(**changes):
    parts = dict(pre_decode=dict(type='Identity'), decoder=MOVQ)
    return MODELS.build(tiny.vqgan(**(parts | changes)))


def test_without_modulation_it_is_the_standard_decoder():
    """Scales of 1 and shifts of 0 leave ConvDecoder behind a connector."""
    decoder = MODELS.build(MOVQ)
    state = decoder.state_dict()
    for key, value in state.items():
        if '.scale.' in key or '.shift.' in key:
            value.fill_(float(key.endswith('scale.bias')))
    standard = MODELS.build(tiny.VQGAN['decoder'])
    modulation = ('connector', 'scale', 'shift')
    kept = {
        key.replace('norm.norm.', 'norm.')
        .replace('norm1.norm.', 'norm1.')
        .replace('norm2.norm.', 'norm2.'): value
        for key, value in state.items()
        if not any(word in key for word in modulation)
    }
    standard.load_state_dict(kept)
    latent = torch.randn(2, 4, 4, 4)
    connector = decoder.connector
    expected = standard(functional.conv2d(latent, connector.weight, connector.bias))
    torch.testing.assert_close(decoder(latent), expected)


@pytest.mark.parametrize('refine', [True, False])
@pytest.mark.parametrize('attention', [(), (0, 1)])
def test_each_normalisation_feels_the_latent(attention, refine):
    sizes = dict(width=4, width_mults=(2, 1), depth=1, norm_groups=2, latent_dim=3)
    decoder = MoVQDecoder(attention=attention, refine=refine, stem_dim=5, **sizes)
    latent = torch.randn(1, 3, 2, 3)
    decoder(latent).square().sum().backward()
    norms = [m for m in decoder.modules() if isinstance(m, SpatialNorm)]
    assert len(norms) == 2 * 2 + len(attention) + 5 * refine + 1
    assert all(n.scale.weight.grad.any() and n.shift.weight.grad.any() for n in norms)
    assert decoder.last_parameter is decoder.head.weight
    assert (decoder.in_dim, decoder.upscale) == (3, 2)
    assert decoder.stem.in_channels == 5


def test_its_state_dict_adds_names_and_changes_none():
    sizes = dict(width=4, width_mults=(2, 1), depth=1, norm_groups=2)
    modulated = MODELS.build(dict(type='MoVQDecoder', latent_dim=3, **sizes))
    standard = MODELS.build(dict(type='ConvDecoder', **sizes))
    rest = [k for k in standard.state_dict() if 'norm' not in k]
    assert set(rest) <= set(modulated.state_dict())


@pytest.mark.parametrize(
    'quantizer',
    [
        dict(type='VectorQuantizer', codebook_size=32, dim=4),
        dict(type='GumbelQuantizer', codebook_size=32, dim=4),
        dict(type='FSQuantizer', levels=(5, 5, 3, 3)),
    ],
    ids=lambda quantizer: quantizer['type'],
)
def test_any_quantizer_of_its_width_fits(quantizer):
    tokenizer = tiny.VQGAN['tokenizer'] | dict(quantizer=quantizer)
    model = vqgan(tokenizer=tokenizer)
    image = tiny.batch().image
    with torch.no_grad():
        result = model.eval()(image)
        detokenized = model.detokenize(result.quantized.tokens)
    torch.testing.assert_close(detokenized, result.image)
    assert result.image.shape == image.shape


def test_a_quantizer_of_another_width_does_not():
    quantizer = dict(type='FSQuantizer', levels=(5, 5, 3))
    tokenizer = tiny.VQGAN['tokenizer'] | dict(
        quantizer=quantizer, post_encode=dict(type='Connector', in_dim=8, out_dim=3)
    )
    with pytest.raises(ValueError, match='quantizer gives 3 channels, decoder takes 4'):
        vqgan(tokenizer=tokenizer)
    # A connector before it makes any width fit.
    vqgan(tokenizer=tokenizer, pre_decode=dict(type='Connector', in_dim=3, out_dim=4))


def test_as_the_pixel_decoder_of_a_frozen_tokenizer():
    model = vqgan(
        frozen=['tokenizer'],
        pre_decode=dict(type='Connector', in_dim=None, out_dim=4),
    ).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    model.generator_loss(tiny.batch()).total.backward()
    optimizer.step()
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and not any(key.startswith('tokenizer.') for key in moved)
    assert any(key.endswith('scale.weight') for key in moved)
