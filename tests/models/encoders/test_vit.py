"""ViTEncoder: parts, sizes and shapes."""

import pytest
import torch
from einops import rearrange

from vq.models import ViTEncoder

TINY = dict(image_size=16, patch=4, width=16, depth=1, heads=2, latent_dim=3)


def test_it_is_a_trunk_and_a_task_layer():
    module = ViTEncoder(**TINY)
    image = torch.randn(2, 3, 16, 24)
    first, _, last = module.head
    features = module.trunk(image)
    expected = last(torch.tanh(first(features)))
    torch.testing.assert_close(module(image), rearrange(expected, 'b h w d -> b d h w'))
    assert module(image).shape == (2, 3, 4, 6)
    assert (module.out_dim, module.downscale, module.image_size) == (3, 4, 16)


def test_the_published_size():
    with torch.device('meta'):
        module = ViTEncoder()
    millions = sum(p.numel() for p in module.parameters()) / 1e6
    assert round(millions, 1) == 86.4
    assert module.trunk.positions.shape == (1, 197, 768)


def test_it_runs_in_bf16():
    module = ViTEncoder(**TINY).eval()
    image = torch.randn(1, 3, 16, 16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = module(image)
        features = module.trunk(image)
    # Its task layer does not: a rounded latent may have another code.
    expected = module.head(features.float())
    assert torch.equal(found, rearrange(expected, 'b h w d -> b d h w'))
    torch.testing.assert_close(found, module(image), rtol=0.05, atol=1e-3)


def test_a_patch_that_does_not_divide_the_image():
    with pytest.raises(ValueError, match='image_size 18 is no multiple of patch 4'):
        ViTEncoder(**TINY | dict(image_size=18))
