"""ddconfig: the networks that ours is, and each that it is not."""

import pytest

from tests.recipes.settings import DDCONFIG
from vq.conversion import taming
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.network import ddconfig, network


def test_parts_are_those_of_the_ddconfig():
    ledger = Ledger.of(dict(dd=DDCONFIG))
    settings = ddconfig(ledger, 'dd.')
    model, _ = network(
        settings, codebook_size=16, dim=4, quantizer='vector', spatial=False, weight=2.0
    )
    expected = taming.encoder_config(DDCONFIG) | dict(attention=(-1,))
    assert model['tokenizer']['encoder'] == expected
    assert model['decoder'] == taming.decoder_config(DDCONFIG)
    assert model['tokenizer']['quantizer'] == dict(
        type='VectorQuantizer',
        codebook_size=16,
        dim=4,
        codebook_weight=2.0,
        commitment_weight=0.5,
        legacy_beta=True,
    )
    assert not [row for row in ledger.rows({}) if row.state == LEFT]


def test_other_quantizers_and_the_other_decoder():
    sizes = dict(codebook_size=16, dim=8, weight=2.0)
    model, _ = network(DDCONFIG, **sizes, quantizer='gumbel', spatial=False)
    assert model['tokenizer']['quantizer']['kl_weight'] == 2e-8
    model, _ = network(DDCONFIG, **sizes, quantizer='ema', spatial=False)
    assert model['tokenizer']['quantizer']['commitment_weight'] == 0.5
    model, _ = network(
        DDCONFIG, codebook_size=16, dim=4, quantizer='vector', spatial=True
    )
    assert model['pre_decode'] == dict(type='Identity')
    decoder = model['decoder']
    assert (decoder['latent_dim'], decoder['stem_dim']) == (4, 8)
    with pytest.raises(RecipeError, match='embed_dim = z_channels; they are 4 and 8'):
        network(DDCONFIG, codebook_size=16, dim=4, quantizer='gumbel', spatial=False)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(double_z=True), 'double_z is True'),
        (dict(resamp_with_conv=False), 'resamp_with_conv is False'),
        (dict(tanh_out=True), 'tanh_out is True'),
        (dict(attn_type='linear'), "attn_type is 'linear'"),
        (dict(magic=3), 'magic=3 is not known'),
        (dict(ch_mult=[1, 1.5]), r'ch_mult is \[1, 1.5\]: it is a list of whole'),
        (dict(ch_mult=[0, 1]), r'ch_mult is \[0, 1\]'),
        (dict(attn_resolutions=16), 'attn_resolutions is 16: it is a list'),
        (dict(z_channels='four'), "z_channels is 'four': it is a whole number"),
    ],
)
def test_a_network_that_ours_is_not(changes, message):
    wrong = {k: v for k, v in (DDCONFIG | changes).items() if k != 'ch'}
    with pytest.raises(RecipeError, match=message) as caught:
        ddconfig(Ledger.of(dict(dd=wrong)), 'dd.')
    assert 'dd.ch is missing' in str(caught.value)  # all at once


def test_dropout_changes_only_the_training():
    ledger = Ledger.of(dict(dd=DDCONFIG | dict(dropout=0.1)))
    ddconfig(ledger, 'dd.')
    left = [row for row in ledger.rows({}) if row.state == LEFT]
    assert [row.key for row in left] == ['dd.dropout']
    assert 'only training' in left[0].told
