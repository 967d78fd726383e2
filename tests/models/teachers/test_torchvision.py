"""TorchvisionTeacher: the class token is dropped, no patch is; one downscale a side."""

from pathlib import Path

import pytest
import torch
from einops import rearrange
from torchvision import models
from torchvision.models import vision_transformer

from tests.models.teachers.setups import GRID, PATCH, of_torchvision, picture
from vq.models.teachers import torchvision as module
from vq.models.teachers.positions import resize_positions
from vq.registry import MODELS


@torch.no_grad()
def test_the_class_token_is_dropped_and_the_last_patch_kept(tmp_path: Path) -> None:
    setup = of_torchvision('tiny_vit', tmp_path)
    network = setup.network
    teacher = setup.build()
    image = picture()
    features = teacher(image)
    pixels = network._process_input(setup.normalize(image))
    first = network.class_token.expand(2, -1, -1)
    tokens = network.encoder(torch.cat([first, pixels], dim=1))
    for i in range(GRID**2):
        of_patch = features[:, :, i // GRID, i % GRID]
        torch.testing.assert_close(of_patch, tokens[:, i + 1], rtol=1e-4, atol=1e-5)
    # The reference moved this to another device at its first call.
    assert teacher.network.conv_proj.weight.device.type == 'cpu'
    assert torch.equal(teacher(image), features)


@torch.no_grad()
def test_another_size_is_a_network_of_that_size(tmp_path: Path) -> None:
    setup = of_torchvision('tiny_vit', tmp_path)
    image = picture(6 * PATCH)
    features = setup.build()(image)
    larger = models.get_model('tiny_vit', image_size=6 * PATCH).eval()
    weights = setup.network.state_dict()
    key = 'encoder.pos_embedding'
    weights[key] = resize_positions(weights[key][0], 6, 6)[None]
    larger.load_state_dict(weights)
    seen = []
    larger.encoder.register_forward_hook(lambda _, __, output: seen.append(output))
    larger(setup.normalize(image))
    expected = rearrange(seen[0][:, 1:], 'b (h w) c -> b c h w', h=6)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_a_convnext_is_32_times_smaller(tmp_path: Path) -> None:
    teacher = of_torchvision('tiny_convnext', tmp_path).build()
    assert teacher.downscale == 32  # a pair, in the reference, where a number is due
    image = torch.zeros(1, 3, 128, 96, dtype=torch.uint8)
    assert teacher(image).shape == (1, 16, 4, 3)
    changed = image.clone()
    changed[:, :, 32:64, 64:96] = torch.arange(32, dtype=torch.uint8)
    moved = (teacher(image) - teacher(changed)).norm(dim=1)[0]
    assert moved.flatten().argmax() == 1 * 3 + 2


@pytest.mark.parametrize('name', ['ViT_B_16', 'ConvNeXt_Base'])
def test_pixels_are_those_of_torchvisions_transforms(name: str) -> None:
    transform = getattr(models, f'{name}_Weights').DEFAULT.transforms()
    assert (tuple(transform.mean), tuple(transform.std)) == (module.MEAN, module.STD)
    assert vision_transformer.VisionTransformer is models.VisionTransformer


def test_other_networks_are_refused() -> None:
    for model, message in [('resnet18', 'must be a ViT or a ConvNeXt'), ('x', 'no mo')]:
        with pytest.raises(ValueError, match=message), torch.device('meta'):
            MODELS.build(dict(type='TorchvisionTeacher', model=model, weights=''))
