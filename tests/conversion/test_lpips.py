"""LPIPS: the shipped heads, the whole package, and what may be missing."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conversion.networks import equal, published
from vq.conversion import FAMILIES, ConversionError
from vq.models.losses.perceptual import HEADS_FILE, LPIPS

FAMILY = FAMILIES['lpips']


def test_the_heads_are_those_that_our_lpips_reads():
    spec = find_spec('lpips')
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / HEADS_FILE
    weights = torch.load(path, map_location='cpu', weights_only=True)
    network = LPIPS()
    network.load_heads()
    ours = FAMILY.to_ours(weights).weights
    heads = {f'heads.{i}': head.data for i, head in enumerate(network.heads)}
    assert equal(ours, heads)
    assert equal(FAMILY.from_ours(ours).weights, weights)


@pytest.mark.parametrize(
    ('name', 'dropped'), [('lpips_package_vgg', 5), ('taming_lpips_full', 0)]
)
def test_the_whole_network_is_ours(name, dropped):
    weights = published(name)
    renamed = FAMILY.to_ours(weights)
    with torch.device('meta'):
        network = LPIPS()
    # A FrozenModule hides its weights from state dicts: ask its parent.
    own = {key: value.shape for key, value in nn.Module.state_dict(network).items()}
    own |= {key: value.shape for key, value in network.trunk.named_parameters('trunk')}
    own |= {f'heads.{i}': head.shape for i, head in enumerate(network.heads)}
    assert {key: value.shape for key, value in renamed.weights.items()} == own
    assert len(renamed.dropped) == dropped
    assert FAMILY.model_config(weights) is None and FAMILY.obstacles(network)


@pytest.mark.parametrize(
    'name', ['lpips_package_weights_v0.1_vgg', 'taming_vgg_lpips_pth']
)
def test_a_missing_head_is_named(name):
    weights = published(name)
    assert len(FAMILY.to_ours(weights).mapped) == 5
    del weights['lin3.model.1.weight']
    with pytest.raises(ConversionError, match=r'heads\.3'):
        FAMILY.to_ours(weights)


def test_a_trunk_with_a_hole_is_named():
    weights = published('taming_lpips_full')
    del weights['net.slice3.12.bias']
    with pytest.raises(ConversionError, match=r'trunk\.12\.bias'):
        FAMILY.to_ours(weights)
