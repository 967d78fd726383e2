"""LPIPS against the package lpips and taming's (golden case 01c)."""

import copy
import gc
import pickle
import weakref
from types import SimpleNamespace

import lpips
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
    weight = AdaptiveWeight(gain=0.8)(pixels, generator, last).weight
    total = pixels + weight * generator + 0.25
    total.backward()
    golden.close_values(weight, expected['log/d_weight'])
    golden.close_values(total, expected['loss'])
    golden.close(last.grad, expected['grad_last_layer'], 1e-3, 1e-6)


def test_equals_the_package_on_a_random_trunk(monkeypatch):
    module = LPIPS(trunk='random')
    module.load_pretrained()
    trunk = lpips.pretrained_networks.tv
    monkeypatch.setattr(trunk, 'vgg16', lambda **_: SimpleNamespace(features=features))
    features = copy.deepcopy(module.trunk)
    package = lpips.LPIPS(net='vgg', pnet_rand=True, verbose=False).eval()
    one, other = torch.rand(2, 2, 3, 32, 48).mul(2).sub(1)
    ours, theirs = (one.clone().requires_grad_() for _ in range(2))
    actual, expected = module(ours, other), package(theirs, other)
    golden.close_values(actual, expected.flatten().detach())
    actual.sum().backward()
    expected.sum().backward()
    golden.close(ours.grad, theirs.grad, 1e-2, 0)


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


def count_images(network):
    """Return a list that grows by the batch size of each pass through the trunk."""
    seen = []
    network.trunk[0].register_forward_hook(
        lambda _, args, __: seen.append(len(args[0]))
    )
    return seen


def fresh():
    """Return a network of its own, a reconstruction that has a gradient, an image."""
    network = LPIPS(trunk='random')
    network.load_pretrained()
    reconstruction, image = torch.rand(2, 2, 3, 16, 16).mul(2).sub(1)
    return network, reconstruction.requires_grad_(), image


def test_features_of_an_image_are_computed_once():
    network, reconstruction, image = fresh()
    seen = count_images(network)
    expected = network.distance(
        network.features(reconstruction), network.features(image)
    )
    assert torch.equal(network(reconstruction, image), expected)
    del seen[:]
    again = network(reconstruction.detach(), image)
    assert torch.equal(again, expected)
    assert seen == [2]  # of the reconstruction alone
    again = network(reconstruction, image)
    again.sum().backward()
    (gradient,) = torch.autograd.grad(expected.sum(), reconstruction)
    torch.testing.assert_close(reconstruction.grad, gradient)
    del seen[:]
    network(reconstruction, image.clone())
    assert seen == [2, 2]


def through_the_graph(network, reconstruction, image):
    """Return distances whose gradients autograd finds by itself."""
    return network.distance(network.features(reconstruction), network.features(image))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_each_image_gets_the_gradient_of_its_distance(dtype):
    network, reconstruction, image = fresh()
    reconstruction = reconstruction.detach().to(dtype).requires_grad_()
    weights = torch.tensor([3.0, -0.5])
    expected = through_the_graph(network, reconstruction, image) @ weights
    (gradient,) = torch.autograd.grad(expected, reconstruction)
    actual = network(reconstruction, image) @ weights
    for _ in range(2):  # the adaptive weight and the update
        (again,) = torch.autograd.grad(actual, reconstruction, retain_graph=True)
        assert again.dtype == dtype
        golden.close(again.float(), gradient.float(), 1e-3, 0)


def test_tiny_gradients_survive_half_precision():
    network, reconstruction, image = fresh()
    (expected,) = torch.autograd.grad(
        network(reconstruction, image).sum(), reconstruction
    )
    half = reconstruction.detach().half().requires_grad_()
    scale, weight = 2.0**16, 1e-4  # of the gradient scaler, of the loss
    loss = network(half, image).sum() * weight * scale
    (gradient,) = torch.autograd.grad(loss, half)
    golden.close(gradient.float() / (weight * scale), expected, 0.05, 0)


def test_the_trunk_is_gone_back_through_once():
    network, reconstruction, image = fresh()
    passed = []

    def watch(module, args, output):
        if output.requires_grad:
            output.register_hook(lambda _: passed.append(1))

    network.trunk[4].register_forward_hook(watch)
    loss = network(reconstruction, image).mean()
    assert len(passed) == 1
    torch.autograd.grad(loss, reconstruction, retain_graph=True)
    loss.backward()
    assert len(passed) == 1


@pytest.mark.parametrize('change', ['in place', 'through a view', 'another trunk'])
def test_a_change_is_noticed(change):
    network, reconstruction, image = fresh()
    before = network(reconstruction, image)
    if change == 'in place':
        image.mul_(0.5)
    elif change == 'through a view':
        image[0, 0, :4] = 1.0
    else:
        network.randomize_trunk(seed=1)
    expected = network(reconstruction, image.clone())
    assert torch.equal(network(reconstruction, image), expected)
    assert not torch.equal(before, expected)


def test_memory_is_given_back_with_the_image():
    network, reconstruction, image = fresh()
    distance = network(reconstruction, image)
    version, features = network._target._held[image]
    assert version == 0 and not any(f.requires_grad for f in features)
    watched = [weakref.ref(f) for f in features] + [weakref.ref(image)]
    distance.sum().backward()
    del features, distance, image
    gc.collect()
    assert not [ref for ref in watched if ref() is not None]
    other = torch.zeros(2, 3, 16, 16)
    network(reconstruction, other)
    network(reconstruction, kept := torch.ones(2, 3, 16, 16))
    assert list(network._target._held.keys()) == [kept]  # one image at most


def test_an_image_with_a_gradient_gets_it():
    network, one, other = fresh()
    expected = torch.autograd.grad(network(one, other).sum(), one)[0]
    (actual,) = torch.autograd.grad(network(other, one).sum(), one)
    torch.testing.assert_close(actual, expected)


def test_images_of_inference_mode_are_not_kept():
    network, reconstruction, image = fresh()
    with torch.inference_mode():
        first = network(reconstruction, image)
        assert torch.equal(network(reconstruction, image.clone()), first)
    second = network(reconstruction, image)
    assert torch.equal(second, first)
    second.sum().backward()


@pytest.mark.parametrize(
    'way', [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_copies_hold_no_images(way):
    network, reconstruction, image = fresh()
    expected = network(reconstruction, image)
    copied = way(network)
    assert torch.equal(copied(reconstruction, image), expected)
    assert len(way(network)._target._held) == 0 and not network.state_dict()


def test_compiles():
    network, reconstruction, image = fresh()
    expected = network(reconstruction, image)
    compiled = torch.compile(network, backend='eager')
    torch.testing.assert_close(compiled(reconstruction, image), expected)
    assert torch.equal(network(reconstruction, image), expected)


def test_missing_file_is_named_with_the_command(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    module = LPIPS()
    with pytest.raises(FileNotFoundError, match=r'vgg16-397923af\.pth') as error:
        module.load_pretrained()
    assert 'tools/prepare_checkpoints.py torchvision' in str(error.value)
    assert 'lpips_loss.trunk::random' in str(error.value)
    assert 'lpips_loss:None' in str(error.value)
    monkeypatch.setenv('DRY_RUN', 'True')
    module.load_pretrained()
    assert 'random weights' in caplog.text


def test_a_random_trunk_needs_no_file_and_is_the_same_everywhere(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    networks = [LPIPSLoss(trunk='random').lpips for _ in range(2)]
    for network in networks:
        network.load_pretrained()
        torch.rand(1)
    one, other = (network.trunk[28].weight for network in networks)
    assert torch.equal(one, other)
    assert abs(one.std() / (2 / 9 / 512) ** 0.5 - 1) < 0.01
    assert "trunk='random'" in caplog.text
    with pytest.raises(ValueError, match='or .random., got .no.'):
        LPIPS(trunk='no')


def test_reads_the_trunk_of_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    path = paths.resolve('pretrained/torch/vgg16-397923af.pth')
    path.parent.mkdir(parents=True)
    weights = recipe(3)
    torch.save(weights | {'classifier.0.bias': torch.zeros(4)}, path)
    module = LPIPS()
    module.load_pretrained()
    assert torch.equal(module.trunk[28].weight, weights['features.28.weight'])
