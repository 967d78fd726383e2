"""PatchDiscriminator: sizes, initial weights, parity with the original (01d)."""

import pytest
import torch
from torch import nn

from tests.golden_cases import cases
from tests.models import golden
from vq.conversion import taming
from vq.models import PatchDiscriminator


@pytest.mark.parametrize(('depth', 'millions', 'side'), [(3, 2.77, 30), (2, 0.66, 62)])
def test_full_size(depth, millions, side):
    with torch.device('meta'):
        module = PatchDiscriminator(depth=depth)
        logits = module(torch.empty(2, 3, 256, 256))
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 2) == millions
    assert logits.shape == (2, 1, side, side)


def test_initial_weights():
    module = PatchDiscriminator(width=32)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            assert abs(layer.weight.std() - 0.02) < 0.002
            assert layer.bias is None or not layer.bias.any()
        elif isinstance(layer, nn.BatchNorm2d):
            assert abs(layer.weight.mean() - 1) < 0.02 and not layer.bias.any()


def test_no_norm_has_biases_instead():
    module = PatchDiscriminator(norm='none', width=4, depth=2)
    assert all(block.conv.bias is not None for block in module.blocks)
    assert not list(module.buffers())


def test_unknown_norm():
    with pytest.raises(ValueError, match="'layer'"):
        PatchDiscriminator(norm='layer')


def load(case, name, config):
    module = PatchDiscriminator(
        depth=config['n_layers'],
        width=config['ndf'],
        in_dim=config['input_nc'],
        norm='act' if config['use_actnorm'] else 'batch',
    )
    prefix = 'loss.discriminator.'
    weights = golden.under(case.weights, f'{name}.')
    converted, _ = taming.convert({prefix + k: v for k, v in weights.items()})
    module.load_state_dict(golden.under(converted, 'discriminator.'))
    names = taming.convert({prefix + k: k for k in weights})[0]
    return module, {k: n.removeprefix('discriminator.') for n, k in names.items()}


@cases('01d_')
def test_parity_with_the_original(path):
    case = golden.Case(path)
    for name, config in case.config['variants']:
        expected = golden.under(case.outputs, f'{name}/')
        module, names = load(case, name, config)
        image = case.inputs['x1'].clone().requires_grad_()
        first = module.train()(image)
        first.square().mean().backward()
        golden.close_values(first, expected['train_first'])
        for key, value in golden.under(expected, 'actnorm_after_init/').items():
            golden.close_values(module.get_parameter(names[key]).detach(), value)
        golden.close_gradients(image.grad, expected['grad_x1_of_mean_square'])
        for key, value in golden.under(expected, 'gradnorm/').items():
            gradient = module.get_parameter(names[key]).grad
            golden.close_gradients(gradient.norm(), value)
        with torch.no_grad():
            golden.close_values(module(case.inputs['x2']), expected['train_second'])
            state = module.state_dict()
            buffers = golden.under(expected, 'buffer_after_two_train_calls/')
            for key, value in buffers.items():
                golden.close_values(state[names[key]], value)
            assert buffers
            golden.close_values(module.eval()(case.inputs['x1']), expected['eval_x1'])
