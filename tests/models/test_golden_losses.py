"""Losses and adaptive weights against LlamaGen's VQLoss (07c) and vqref (09a)."""

import json
import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.golden_cases import ROOT, cases
from tests.models import golden, tiny
from vq.conversion import taming
from vq.models import VQGAN, VectorQuantizer
from vq.models.losses import AdaptiveWeight, HingeLoss, NonSaturatingLoss, R1Penalty
from vq.registry import MODELS
from vq.types import Quantized

# What VQLoss computes for `hinge`, `vanilla` and `non-saturating`.
ADVERSARIAL = {
    'hinge': {'type': 'HingeLoss'},
    'vanilla': {'type': 'VanillaLoss'},
    'non-saturating': {'type': 'NonSaturatingLoss', 'legacy_targets': True},
}
RECONSTRUCTION = {'l1': 'L1Loss', 'l2': 'MSELoss'}
QUANTIZER = {'vq': 0.3, 'commit': 0.2, 'entropy': -0.1}  # given to VQLoss as they are


def notes(path):
    """Return what a case says of itself."""
    return ' '.join(json.loads((path / 'case.json').read_text())['notes'])


def tags(path):
    """Return the variants that a case's notes describe, by their names."""
    text = notes(path).partition('tags: ')[2]
    return json.JSONDecoder().raw_decode(text)[0]


def noted(path, name):
    """Return a number that a case's notes give a name."""
    return float(re.search(rf'{name}=([\d.]*\d)', notes(path))[1])


VARIANTS = [
    pytest.param(path, tag, options, id=f'{path.name}-{tag}')
    for path in sorted(ROOT.glob('07c_*'))
    for tag, options in tags(path).items()
]


class Latent(nn.Module):
    """A tokenizer whose quantized latent is what the case feeds its last layer."""

    def __init__(self, latent):
        super().__init__()
        self.latent = latent

    def forward(self, image):
        losses = {name: torch.tensor(value) for name, value in QUANTIZER.items()}
        return Quantized(latent=self.latent, tokens=torch.zeros(1), losses=losses)


class LastLayer(nn.Module):
    """A decoder that is nothing but its last layer."""

    def __init__(self, weight):
        super().__init__()
        self.last_parameter = nn.Parameter(weight)

    def forward(self, latent):
        return functional.conv2d(latent, self.last_parameter)


def load_patchgan(discriminator, weights):
    """Load a NLayerDiscriminator's weights into ours."""
    prefix = 'loss.discriminator.'
    converted, _ = taming.convert({prefix + k: v for k, v in weights.items()})
    discriminator.load_state_dict(golden.under(converted, 'discriminator.'))


def vqloss(case, options, *, start, weight):
    """Build the VQGAN whose losses are those of the case's VQLoss."""
    patch = {'depth': case.config['disc_num_layers'], 'width': case.config['disc_dim']}
    adversarial = dict(ADVERSARIAL[options['disc_loss']])
    adaptive = options['disc_adaptive_weight']
    if not adaptive:
        adversarial['generator_weight'] = weight
    config = tiny.vqgan(
        reconstruction_losses={
            'pixels': {'type': RECONSTRUCTION[options['reconstruction_loss']]}
        },
        discriminator={'type': 'PatchDiscriminator', **patch},
        adversarial_loss={**adversarial, 'discriminator_weight': weight},
        adversarial_weight={'type': 'AdaptiveWeight', 'gain': weight}
        if adaptive
        else None,
        discriminator_start=start,
    )
    model: VQGAN = MODELS.build(config)
    model.tokenizer = Latent(case.inputs['y'])
    model.pre_decode = nn.Identity()
    last = 0.9 * torch.eye(3) + 0.05
    model.decoder = LastLayer(last.reshape(3, 3, 1, 1))
    load_patchgan(model.discriminator, golden.under(case.weights, 'patchgan.'))
    return model


@pytest.mark.parametrize(('path', 'tag', 'options'), VARIANTS)
def test_llamagen_losses(path, tag, options):
    case = golden.Case(path)
    outputs = golden.under(case.outputs, f'loss/{tag}/')
    batch = golden.images(case.inputs['x'])
    steps = sorted({int(key.split('/')[0].removeprefix('step')) for key in outputs})
    start = int(noted(path, 'disc_start'))
    model = vqloss(case, options, start=start, weight=noted(path, 'disc_weight'))
    for step in steps:
        expected = golden.under(outputs, f'step{step}/')
        model.zero_grad()
        loss = model.generator_loss(batch, model.adversarial_factor(step))
        loss.total.backward()
        golden.close_values(loss.total, expected['gen'])
        gradient = model.decoder.last_parameter.grad
        golden.close_gradients(gradient, expected['gen_grad_last_layer'])
        if step < start:  # the original multiplies by zero what we do not compute
            assert model.discriminator_update(step) is None
            assert not expected['disc'] and not expected['disc_grad_main0'].any()
            with torch.no_grad():  # it moves the statistics of BatchNorm, too
                for image in (loss.reconstruction.image, batch.image):
                    model.discriminator(image)
                model.discriminator(loss.reconstruction.image)
            continue
        loss = model.discriminator_loss(batch, loss.reconstruction.image.detach())
        loss.total.backward()
        golden.close_values(loss.total, expected['disc'])
        golden.close_gradients(
            model.discriminator.stem.weight.grad, expected['disc_grad_main0']
        )


def test_there_is_a_case_of_llamagen_losses():
    assert VARIANTS


@cases('09a_')
def test_adversarial_losses_of_the_reference(path):
    case = golden.Case(path)
    real, fake = case.inputs['logits_real'], case.inputs['logits_fake']
    expected = golden.under(case.outputs, 'gan/')
    hinge = HingeLoss()
    golden.close_values(hinge.discriminator(real, fake), expected['d_hinge'])
    golden.close_values(hinge.generator(fake), expected['g_hinge'])
    non_saturating = NonSaturatingLoss().generator(fake)
    golden.close_values(non_saturating, expected['g_non_saturating'])


def reference_discriminator(case):
    weights = golden.under(case.weights, 'disc.')
    depth = sum(key.endswith('running_mean') for key in weights)
    width = len(weights['main.0.bias'])
    discriminator = MODELS.build(
        {'type': 'PatchDiscriminator', 'depth': depth, 'width': width}
    )
    load_patchgan(discriminator, weights)
    return discriminator


@cases('09a_')
def test_r1_penalty_of_the_reference(path):
    case = golden.Case(path)
    discriminator = reference_discriminator(case).train()
    image = case.inputs['image_m11']
    before = discriminator.state_dict()['blocks.0.norm.running_mean'].clone()
    penalty = R1Penalty()(discriminator, image, image, image)
    golden.close_values(penalty, case.outputs['gan/r1_penalty_eval_mode_disc'])
    after = discriminator.state_dict()['blocks.0.norm.running_mean']
    assert torch.equal(before, after) and discriminator.training


@cases('09a_')
def test_adaptive_weight_of_the_reference(path):
    case = golden.Case(path)
    discriminator = reference_discriminator(case).eval()
    expected = golden.under(case.outputs, 'aglw/')
    last = nn.Parameter(expected['last'])
    fake = functional.conv2d(case.inputs['pred_image_m11'], last)
    reconstruction = (fake - case.inputs['image_m11']).abs().mean()
    adversarial = HingeLoss().generator(discriminator(fake))
    golden.close_values(reconstruction, expected['r_loss'])
    golden.close_values(adversarial, expected['g_loss'])
    gains = [k for k in expected if k.startswith('gain_') and k != 'gain_None']
    assert gains
    for key in gains:
        adaptive = AdaptiveWeight(gain=float(key.removeprefix('gain_')))
        balance = adaptive(reconstruction, adversarial, last)
        golden.close_values(balance.weight, expected[key])


@cases('09a_')
def test_quantizer_loss_of_the_reference(path):
    case = golden.Case(path)
    expected = golden.under(case.outputs, 'quantizer_loss/')
    codes, rows = case.inputs['z'], case.inputs['x']
    quantizer = VectorQuantizer(codebook_size=len(codes), dim=codes.shape[1])
    quantizer.codebook.data.copy_(codes)
    # Row i of the case belongs to code i, whether that is the nearest one or not.
    quantizer._search = lambda rows, codebook: torch.arange(len(codes))
    latent = rows.T[None, :, None].clone().requires_grad_()
    losses = quantizer(latent).losses
    sum(losses.values()).backward()
    golden.close_values(sum(losses.values()), expected['vqgan'])
    golden.close_gradients(quantizer.codebook.grad, expected['grad_z'])
    golden.close_gradients(latent.grad[0, :, 0].T, expected['grad_x'])
