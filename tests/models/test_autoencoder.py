"""Encoder, decoder, connectors, tokenizer, reconstructor: sizes and channels."""

import pytest
import torch

from tests.models import tiny
from vq.models import (
    Connector,
    ConvDecoder,
    ConvEncoder,
    Identity,
    ImageTokenizer,
    Reconstructor,
)
from vq.registry import MODELS


def millions(module):
    return round(sum(p.numel() for p in module.parameters()) / 1e6, 2)


def test_full_size_has_the_paper_s_parameters():
    with torch.device('meta'):
        encoder, decoder = ConvEncoder(), ConvDecoder()
        f8_encoder = ConvEncoder(width_mults=(1, 1, 2, 4))
        f8_decoder = ConvDecoder(width_mults=(4, 2, 1, 1))
        latent = encoder(torch.empty(1, 3, 256, 256))
        image = decoder(latent)
    assert [millions(encoder), millions(decoder)] == [29.30, 42.45]
    assert [millions(f8_encoder), millions(f8_decoder)] == [26.35, 38.32]
    assert latent.shape == (1, 256, 16, 16)
    assert image.shape == (1, 3, 256, 256)


@pytest.mark.parametrize('attention', [(), (-1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize('refine', [True, False])
def test_any_levels_can_attend(attention, refine):
    config = dict(width=4, depth=1, attention=attention, refine=refine, norm_groups=2)
    encoder = ConvEncoder(width_mults=(1, 2, 2), latent_dim=6, **config)
    decoder = ConvDecoder(width_mults=(2, 2, 1), latent_dim=6, **config)
    latent = encoder(torch.randn(1, 3, 8, 12))
    assert latent.shape == (1, 6, 2, 3)
    assert decoder(latent).shape == (1, 3, 8, 12)
    blocks = [type(m).__name__ for m in encoder.modules()].count('AttentionBlock')
    assert blocks == len(attention) + refine


def test_attention_of_a_level_that_is_not_there():
    with pytest.raises(IndexError):
        ConvEncoder(width_mults=(1, 2), attention=(2,))


def test_last_parameter_is_the_final_convolution_s_weight():
    decoder = MODELS.build(tiny.VQGAN['decoder'])
    before = decoder(torch.ones(1, 8, 4, 4))
    with torch.no_grad():
        decoder.last_parameter.zero_()
    after = decoder(torch.ones(1, 8, 4, 4))
    assert decoder.last_parameter.shape == (3, 8, 3, 3)
    assert after.std((0, 2, 3)).max() == 0 < before.std((0, 2, 3)).max()


def test_a_connector_with_hidden_channels_is_two_convolutions():
    connector = Connector(in_dim=4, hidden_dim=8, out_dim=2)
    latent = torch.randn(2, 4, 3, 3)
    first, second = (
        torch.einsum('bchw,oc->bohw', x, conv.weight[:, :, 0, 0])
        + conv.bias[:, None, None]
        for x, conv in (
            (latent, connector.hidden),
            (connector.hidden(latent), connector.conv),
        )
    )
    torch.testing.assert_close(connector.hidden(latent), first)
    torch.testing.assert_close(connector(latent), second)


def tokenizer(**changes):
    return MODELS.build(tiny.VQGAN['tokenizer'] | changes)


def test_tokens_round_trip():
    model = Reconstructor(
        **{k: tiny.VQGAN[k] for k in ('tokenizer', 'pre_decode', 'decoder')}
    )
    image = tiny.batch().image
    with torch.no_grad():
        result = model(image)
        assert torch.equal(model.tokenizer.tokenize(image), result.quantized.tokens)
        assert torch.equal(model.detokenize(result.quantized.tokens), result.image)
    assert model.tokenizer.codebook_size == 32
    assert model.tokenizer(image).tokens.dtype == torch.int64


def test_identity_joins_equal_widths():
    quantizer = dict(type='VectorQuantizer', codebook_size=8, dim=8)
    model = tokenizer(post_encode=dict(type='Identity'), quantizer=quantizer)
    assert model.tokenize(tiny.batch().image).shape == (2, 8, 8)
    latent = torch.randn(1, 2, 3, 3)
    assert Identity()(latent) is latent


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(post_encode=dict(type='Connector', in_dim=16, out_dim=4)),
            'encoder gives 8 channels, post_encode takes 16',
        ),
        (
            dict(post_encode=dict(type='Connector', in_dim=8, out_dim=5)),
            'post_encode gives 5 channels, quantizer takes 4',
        ),
        (
            dict(post_encode=dict(type='Identity')),
            'encoder gives 8 channels, quantizer takes 4',
        ),
    ],
)
def test_parts_that_do_not_fit_are_both_named(changes, message):
    with pytest.raises(ValueError, match=message):
        ImageTokenizer(**{k: v for k, v in tiny_parts(changes).items() if k != 'type'})


def tiny_parts(changes):
    return tiny.VQGAN['tokenizer'] | changes


@pytest.mark.parametrize(
    ('pre_decode', 'message'),
    [
        (
            dict(type='Connector', in_dim=4, out_dim=9),
            'pre_decode gives 9 channels, decoder takes 8',
        ),
        (
            dict(type='Connector', in_dim=3, out_dim=8),
            'quantizer gives 4 channels, pre_decode takes 3',
        ),
        (dict(type='Identity'), 'quantizer gives 4 channels, decoder takes 8'),
    ],
)
def test_decoder_side_that_does_not_fit(pre_decode, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(tiny.vqgan(pre_decode=pre_decode))


def test_in_dim_is_filled_in_from_the_quantizer():
    fitted, given = (
        MODELS.build(tiny.vqgan(pre_decode=dict(type='Connector', in_dim=i, out_dim=8)))
        for i in (None, 4)
    )
    assert fitted.pre_decode.in_dim == given.pre_decode.in_dim == 4
    given.load_state_dict(fitted.state_dict())
    image = tiny.batch().image
    assert torch.equal(fitted(image).image, given(image).image)
    with pytest.raises(ValueError, match='in_dim=None stands for the dim of the quant'):
        Connector(in_dim=None, out_dim=8)


def test_a_decoder_enlarges_as_much_as_the_encoder_shrinks():
    decoder = tiny.VQGAN['decoder'] | dict(width_mults=(2, 1, 1))
    latent = torch.randn(1, 8, 4, 4)
    built = MODELS.build(decoder)
    assert built(latent).shape[-1] == 4 * built.upscale == 16
    with pytest.raises(
        ValueError, match='encoder.downscale is 2, decoder.upscale is 4'
    ):
        MODELS.build(tiny.vqgan(decoder=decoder))
