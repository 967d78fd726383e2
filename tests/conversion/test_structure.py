"""Configs read off names and shapes equal those that the networks were built from."""

import pytest
import torch

from tests.conversion import networks
from vq.conversion import ConversionError, structure

NARROW = dict(width=8, width_mults=(8, 4, 3))
CONFIGS = {
    **networks.DDCONFIGS,
    **networks.TAMING_ONLY,
    **networks.MOVQ,
    'bare': networks.autoencoder(refine=False, groups=8, decoder=dict(width=16)),
    'narrow decoder': networks.autoencoder(mults=(1, 1, 2), groups=8, decoder=NARROW),
}


@pytest.mark.parametrize('name', CONFIGS)
def test_a_config_is_read_off_its_weights(name):
    model = structure.build(CONFIGS[name])
    encoder = CONFIGS[name]['tokenizer']['encoder']
    read = structure.vqgan_config(
        model.state_dict(),
        norm_groups=encoder['norm_groups'],
        adversarial_loss=dict(type='HingeLoss'),
    )
    again = structure.build(read)
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (again, model)]
    assert shapes[0] == shapes[1]
    assert {k: read['tokenizer']['encoder'][k] for k in encoder} == encoder
    assert ('adversarial_loss' in read) == (read['discriminator'] is not None)


def test_what_is_missing_too_much_or_of_another_shape_is_named():
    config = networks.DDCONFIGS['f2']
    weights = structure.build(config).state_dict()
    structure.check_whole(weights, config)
    weights['more'] = weights.pop('pre_decode.conv.bias')
    weights['decoder.head.bias'] = torch.empty(4)
    with pytest.raises(
        ConversionError,
        match=r'missing: pre_decode.conv.bias; too many: more; '
        r'of another shape: decoder.head.bias \(4,\) for \(3,\)',
    ):
        structure.check_whole(weights, config)


def test_widths_that_are_no_multiples():
    weights = structure.build(networks.DDCONFIGS['f2']).state_dict()
    weights['tokenizer.encoder.stem.weight'] = torch.empty(24, 3, 3, 3)
    with pytest.raises(
        ConversionError, match=r'multiples of the first, 24; .*\[32, 64\]'
    ):
        structure.encoder_config(weights)


def test_numbers_after_a_prefix():
    assert structure.count(['a.0.x', 'a.11.y', 'b.99.z', 'a.x'], 'a.') == 12
    assert structure.count([], 'a.') == 0
