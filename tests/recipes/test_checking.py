"""The same network, or an error that lists the keys."""

import gzip
import json

import pytest
import torch

from tests.conversion import networks
from vq.conversion import FAMILIES
from vq.recipes import published
from vq.recipes.checking import check, check_file, compare
from vq.recipes.errors import RecipeError

SETTINGS = dict(
    z_channels=8,
    resolution=32,
    in_channels=3,
    out_ch=3,
    ch=32,
    ch_mult=[1, 2],
    num_res_blocks=1,
    attn_resolutions=[16],
)
MODEL = networks.DDCONFIGS['f2']
LISTED = published.autoencoder(SETTINGS, codebook_size=16, dim=4)


def test_names_and_shapes_written_down_twice():
    """By the settings alone, and by our modules and the rules of the family."""
    weights = networks.build(MODEL).state_dict()
    theirs = FAMILIES['taming'].from_ours(weights).weights
    assert {key: tuple(value.shape) for key, value in theirs.items()} == LISTED
    told, ours = check(MODEL, 'taming', LISTED, what='x')
    number = sum(value.numel() for value in theirs.values())
    assert told == f'{len(LISTED)} tensors, {number:,} numbers: the network of x'
    assert ours == LISTED


def test_a_discriminator_counts_where_there_is_one():
    model = networks.DDCONFIGS['discriminator']
    extra = published.patch_discriminator(
        'loss.discriminator.main.', depth=1, width=4, in_dim=3
    )
    check(model, 'taming', LISTED | extra, what='x')
    with pytest.raises(RecipeError, match=r'missing here: loss.discriminator.main.0'):
        check(MODEL, 'taming', LISTED | extra, what='x')


def test_averages_count():
    quantizer = dict(type='EMAQuantizer')
    model = networks.autoencoder(quantizer=quantizer)
    listed = published.autoencoder(SETTINGS, codebook_size=16, dim=4, quantizer='ema')
    check(model, 'taming', listed, what='x')
    with pytest.raises(RecipeError, match='too many here: quantize.embedding.clus'):
        check(model, 'taming', LISTED, what='x')


def test_all_differences_are_listed():
    other = dict(LISTED, new=(1,)) | {'quant_conv.weight': (4, 9, 1, 1)}
    del other['conv' if 'conv' in other else 'encoder.conv_in.bias']
    with pytest.raises(RecipeError) as caught:
        compare(LISTED, other, 'x')
    assert str(caught.value) == (
        'not the network of x; missing here: new; '
        'too many here: encoder.conv_in.bias; '
        'of another shape: quant_conv.weight (4, 8, 1, 1) for (4, 9, 1, 1)'
    )


def test_files_of_weights_and_lists(tmp_path):
    weights = FAMILIES['taming'].from_ours(networks.build(MODEL).state_dict()).weights
    lpips = {'loss.perceptual_loss.lin0.model.1.weight': torch.zeros(1, 4, 1, 1)}
    torch.save({'state_dict': weights | lpips}, tmp_path / 'x.ckpt')
    told = check_file(LISTED, tmp_path / 'x.ckpt', 'taming')
    assert told.endswith('the network of x.ckpt')
    listing = {key: ['f32', list(shape)] for key, shape in LISTED.items()}
    content = json.dumps(dict(state_dict=listing)).encode()
    (tmp_path / 'x.json.gz').write_bytes(gzip.compress(content))
    check_file(LISTED, tmp_path / 'x.json.gz', 'taming')
    plain = {key: list(shape) for key, shape in LISTED.items()}
    plain['decoder.conv_out.bias'] = [4]
    (tmp_path / 'x.json').write_text(json.dumps(plain))
    with pytest.raises(ValueError, match=r'decoder.(head|conv_out).bias'):
        check_file(LISTED, tmp_path / 'x.json', 'taming')
