"""The losses: as golden training runs minimise them, and what is never used."""

import pytest
import torch

from vq.models.losses import HingeLoss, VanillaLoss
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.losses import losses
from vq.registry import MODELS


def told(name='VQLPIPSWithDiscriminator', *, adversarial=True, **params):
    ledger = Ledger.of(dict(loss=dict(target=f'a.b.{name}', params=params)))
    return losses(ledger, 'loss.', adversarial=adversarial), ledger


def left(ledger):
    return [row.key.rpartition('.')[2] for row in ledger.rows({}) if row.state == LEFT]


def test_adversarial_terms_have_the_originals_weights():
    """Theirs is weight * factor * balance * g, and factor * d."""
    found, ledger = told(disc_start=5, disc_weight=0.6, disc_factor=0.5)
    logits = torch.linspace(-2, 2, 5)
    loss = MODELS.build(found.model['adversarial_loss'])
    plain = HingeLoss()
    assert isinstance(loss, HingeLoss)
    assert loss.generator(logits) == plain.generator(logits)
    judged = plain.discriminator(logits, -logits)
    assert loss.discriminator(logits, -logits) == 0.5 * judged
    assert found.model['adversarial_weight']['gain'] == 0.3
    assert found.model['discriminator_start'] == 5
    assert not left(ledger)


def test_discriminator_and_reconstruction():
    found, ledger = told(
        disc_start=0,
        disc_num_layers=2,
        disc_ndf=8,
        use_actnorm=True,
        disc_loss='vanilla',
        disc_in_channels=3,
        perceptual_weight=0.5,
        codebook_weight=2.0,
        pixelloss_weight=3.0,
    )
    sizes = dict(depth=2, width=8, in_dim=3, norm='act')
    assert found.model['discriminator'] == dict(type='PatchDiscriminator', **sizes)
    assert type(MODELS.build(found.model['adversarial_loss'])) is VanillaLoss
    parts = found.model['reconstruction_losses']
    assert parts['l1_loss'] == dict(type='L1Loss', weight=1.0)
    assert parts['lpips_loss']['weight'] == 0.5 and parts['mse_loss'] is None
    assert found.codebook_weight == 2.0
    assert left(ledger) == ['pixelloss_weight']  # the original never uses it


def test_modular_losses_are_squares_and_listen():
    found, ledger = told('VQGANLoss', disc_start=1, pixelloss_weight=3.0)
    parts = found.model['reconstruction_losses']
    assert parts['mse_loss'] == dict(type='MSELoss', weight=3.0)
    assert parts['l1_loss'] is None and not left(ledger)


def test_movqgans_own_weights_are_fixed():
    found, ledger = told(
        'VQLPIPSWithDiscriminator2', disc_start=1, disc_weight=0.8, codebook_weight=1.0
    )
    model = found.model
    assert model['reconstruction_losses']['lpips_loss']['weight'] == 0.1
    assert model['adversarial_loss']['generator_weight'] == 0.1
    assert model['adversarial_weight'] is None and model['discriminator_start'] == 0
    assert left(ledger) == ['disc_start', 'disc_weight']


def test_without_a_discriminator():
    found, ledger = told(adversarial=False, disc_start=1, perceptual_weight=0.0)
    assert found.model['discriminator'] is None and not found.shapes
    assert found.model['reconstruction_losses']['lpips_loss'] is None
    assert left(ledger) == ['disc_start']


def test_no_loss_and_an_unknown_one():
    found, ledger = told('DummyLoss')
    assert found.model == {} and not left(ledger) and 'losses' in ledger.remarks
    found, ledger = told('StrangeLoss', strength=3)
    assert left(ledger) == ['target', 'strength']


@pytest.mark.parametrize(
    ('params', 'message'),
    [
        (dict(disc_conditional=True), 'see images alone'),
        (dict(disc_loss='wgan'), "'wgan'; the original knows hinge, vanilla"),
    ],
)
def test_no_discriminator_of_ours(params, message):
    with pytest.raises(RecipeError, match=message):
        told(disc_start=1, **params)
