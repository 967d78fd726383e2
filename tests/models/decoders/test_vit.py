"""ViTDecoder: features and pixels, sizes and the weight that balances losses."""

import pytest
import torch

from vq.models import ViTDecoder

TINY = dict(grid=4, width=16, depth=1, heads=2, latent_dim=3)


def test_features_are_one_for_each_latent():
    module = ViTDecoder(out_dim=5, **TINY)
    latent = torch.randn(2, 3, 4, 6)
    found = module(latent)
    expected = module.head(module.trunk(latent))
    assert found.shape == (2, 5, 4, 6)
    assert torch.equal(found[1, :, 2, 3], expected[1, 2, 3])
    assert (module.in_dim, module.out_dim, module.upscale) == (3, 5, 1)


def test_pixels_of_a_patch_are_rows_of_columns_of_channels():
    module = ViTDecoder(out_dim=3, out_patch=2, **TINY)
    latent = torch.randn(2, 3, 4, 4)
    found = module(latent)
    patches = module.head(module.trunk(latent))
    assert found.shape == (2, 3, 8, 8) and module.upscale == 2
    patch = patches[1, 2, 3].view(2, 2, 3)  # row, column, channel
    assert torch.equal(found[1, :, 4:6, 6:8], patch.permute(2, 0, 1))


def test_the_last_parameter_is_the_last():
    module = ViTDecoder(out_dim=2, **TINY)
    expected = list(module.named_parameters())[-2]
    assert expected[0] == 'head.2.weight'
    assert module.last_parameter is expected[1]


@pytest.mark.parametrize(
    ('changes', 'millions'),
    [(dict(depth=12), 86.4), (dict(width=1280, depth=32, heads=16), 632.6)],
)
def test_the_sizes_for_pixels(changes, millions):
    with torch.device('meta'):
        module = ViTDecoder(out_dim=3, out_patch=16, **changes)
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 1) == millions
    assert module.upscale == 16
