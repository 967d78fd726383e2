"""LPIPS against the package lpips and taming's (golden case 01c)."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.golden_cases import cases
from tests.models import golden, tiny
from vq import paths
from vq.models import HingeLoss, LPIPSLoss, PatchDiscriminator
from vq.models.losses import AdaptiveWeight
from vq.models.losses.perceptual import LPIPS
from vq.registry import MODELS


def recipe(seed):
    """Draw the trunk as case.json says."""
    random = np.random.RandomState(seed)
    weights = {}
    for i, layer in enumerate(LPIPS().trunk):
        if isinstance(layer, torch.nn.Conv2d):
            shape = tuple(layer.weight.shape)
            weight = random.standard_normal(shape) * np.sqrt(2 / (9 * shape[1]))
            bias = random.standard_normal(shape[:1]) * 0.05
            weights[f'features.{i}.weight'] = torch.from_numpy(weight).float()
            weights[f'features.{i}.bias'] = torch.from_numpy(bias).float()
    return weights


@pytest.fixture(scope='module')
def network():
    module = LPIPS()
    module.load_heads()
    module.load_trunk(recipe(0))
    return module


@cases('01c_')
def test_parity_with_the_original(path, network):
    case = golden.Case(path)
    if case.config['seed'] != 0:
        network = LPIPS()
        network.load_heads()
        network.load_trunk(recipe(case.config['seed']))
    for i, head in enumerate(network.heads):
        expected = case.weights[f'lin{i}.model.1.weight'].flatten()
        assert torch.equal(head, expected)
    image = case.inputs['x']
    other = case.inputs['y'].clone().requires_grad_()
    distance = network(other, image)
    distance.mean().backward()
    golden.close_values(distance, case.outputs['taming/lpips'].flatten())
    golden.close_values(distance, case.outputs['package/lpips'].flatten())
    golden.close(other.grad, case.outputs['taming/grad_y_of_mean'], 1e-2, 0)
    check_full_loss(case, network)


def check_full_loss(case, network):
    """L1 + LPIPS + adaptive weight * hinge, with respect to a last 1x1 convolution."""
    expected = golden.under(case.outputs, 'full/')
    module = PatchDiscriminator(depth=2, width=8)
    last_index = 8
    for key, value in golden.under(expected, 'disc_weights/').items():
        layer, name = int(key.split('.')[1]), key.split('.')[2]
        part = {0: 'stem', last_index: 'head'}.get(
            layer, f'blocks.{(layer - 2) // 3}.{"conv" if layer % 3 == 2 else "norm"}'
        )
        module.get_parameter(f'{part}.{name}').data.copy_(value)
    last = expected['last_layer'].clone().requires_grad_()
    fake = functional.conv2d(case.inputs['y'], last)
    image = case.inputs['x']
    pixels = (fake - image).abs().mean() + network(fake, image).mean()
    generator = HingeLoss().generator(module.train()(fake))
    weight = AdaptiveWeight(gain=0.8)(pixels, generator, last)
    total = pixels + weight * generator + 0.25
    total.backward()
    golden.close_values(weight, expected['log/d_weight'])
    golden.close_values(total, expected['loss'])
    golden.close(last.grad, expected['grad_last_layer'], 1e-3, 1e-6)


def test_is_symmetric_and_zero_for_equal_images(network):
    one, other = torch.rand(2, 2, 3, 32, 32).mul(2).sub(1)
    torch.testing.assert_close(network(one, other), network(other, one))
    assert not network(one, one).any()
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(network(one, other), network(one, other).float())


def test_is_no_part_of_a_checkpoint_and_is_not_trained():
    losses = dict(l1_loss=dict(type='L1Loss'), lpips_loss=dict(type='LPIPSLoss'))
    with torch.device('meta'):
        model = MODELS.build(tiny.vqgan(reconstruction_losses=losses))
    assert not [key for key in model.state_dict() if 'lpips' in key]
    frozen = model.reconstruction_losses['lpips_loss'].train().parameters()
    assert not any(p.requires_grad for p in frozen)
    assert LPIPSLoss(weight=0.5).weight == 0.5


def test_missing_file_is_named_with_the_command(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    module = LPIPS()
    with pytest.raises(FileNotFoundError, match=r'vgg16-397923af\.pth') as error:
        module.load_pretrained()
    assert 'download https://download.pytorch.org/models/vgg16' in str(error.value)
    monkeypatch.setenv('DRY_RUN', 'True')
    module.load_pretrained()
    assert 'random weights' in caplog.text


def test_reads_the_trunk_of_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    path = paths.resolve('pretrained/torch/vgg16-397923af.pth')
    path.parent.mkdir(parents=True)
    weights = recipe(3)
    torch.save(weights | {'classifier.0.bias': torch.zeros(4)}, path)
    module = LPIPS()
    module.load_pretrained()
    assert torch.equal(module.trunk[28].weight, weights['features.28.weight'])
