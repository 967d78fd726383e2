"""The published VQGANs fit our full-size configs, key by key."""

import gzip
import json

import pytest
import torch

from tests.golden_cases import OWN
from vq import config, paths
from vq.conversion import taming
from vq.registry import MODELS

DDCONFIG = dict(
    z_channels=256,
    resolution=256,
    in_channels=3,
    out_ch=3,
    ch=128,
    ch_mult=[1, 1, 2, 2, 4],
    num_res_blocks=2,
    attn_resolutions=[16],
)


def published(name):
    path = OWN / 'key_shapes' / f'{name}.json.gz'
    keys = json.loads(gzip.decompress(path.read_bytes()))['state_dict']
    return {k: torch.empty(shape, device='meta') for k, (_, shape) in keys.items()}


@pytest.mark.parametrize(
    ('name', 'ours'),
    [
        ('taming_vqgan_imagenet_f16_1024', '1024_imagenet_ddp'),
        ('taming_vqgan_imagenet_f16_16384', '16384_dd2_aglwg075_imagenet_ddp'),
    ],
)
def test_published_weights_fit(name, ours):
    path = paths.ROOT / 'configs' / 'vqgan' / f'{ours}.py'
    with torch.device('meta'):
        model = MODELS.build(config.load(path).trainer.model)
    converted, left_out = taming.convert(published(name))
    expected = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in converted.items()} == expected
    assert len(left_out) == 33  # LPIPS
    assert all('perceptual' in key for key in left_out)


def test_published_ddconfig_is_our_default():
    ours = config.load(paths.ROOT / 'configs' / 'vqgan' / '1024_imagenet_ddp.py')
    theirs = ours.trainer.model.copy()
    theirs.tokenizer.encoder = taming.encoder_config(DDCONFIG)
    theirs.decoder = taming.decoder_config(DDCONFIG)
    default = config.load(ours.path).trainer.model
    with torch.device('meta'):
        one, other = (MODELS.build(model) for model in (theirs, default))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (one, other)]
    assert shapes[0] == shapes[1]
