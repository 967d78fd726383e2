"""LlamaGen's flags: its defaults, what it never uses, its network."""

import pytest

from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.llamagen import recipe
from vq.recipes.recipe import Options


def read(**flags):
    named = {f'--{key.replace("_", "-")}': value for key, value in flags.items()}
    ledger = Ledger.of(named)
    made = recipe(ledger, Options())
    left = [row.key for row in ledger.rows(made.fragments) if row.state == LEFT]
    return made.fragments, left


def test_the_published_command():
    fragments, left = read(vq_model='VQ-16', data_path='x')
    assert fragments['iters'] == 40 * (1_281_167 // 128)
    generator = fragments['optimizers']['generator']
    assert generator == dict(lr=1e-4, betas=(0.9, 0.95), clip_grad=1.0)
    assert fragments['strategy'] == dict(autocast='bf16')
    assert fragments['model']['discriminator_start'] == 20_000
    assert fragments['train_callbacks']['ema'] is None
    assert left == ['--data-path']


def test_flags_become_losses():
    fragments, left = read(
        reconstruction_loss='l1',
        reconstruction_weight=2.0,
        perceptual_weight=0.5,
        disc_weight=0.7,
        disc_loss='vanilla',
        disc_type='stylegan',
        entropy_loss_ratio=0.1,
        commit_loss_beta=0.5,
        image_size=512,
        ema=True,
        compile=True,
    )
    model = fragments['model']
    losses = model['reconstruction_losses']
    assert losses['l1_loss'] == dict(type='L1Loss', weight=2.0)
    assert losses['mse_loss'] is None and losses['lpips_loss']['weight'] == 0.5
    weights = dict(generator_weight=0.7, discriminator_weight=0.7)
    assert model['adversarial_loss'] == dict(type='VanillaLoss', **weights)
    assert model['discriminator']['image_size'] == 512
    quantizer = model['tokenizer']['quantizer']
    assert (quantizer['entropy_weight'], quantizer['commitment_weight']) == (0.1, 0.5)
    assert fragments['strategy']['compile'] and not left
    sizes = [t.get('size') for t in fragments['val_dataset']['transforms']]
    assert sizes == [512, 512]


def test_what_has_no_place_is_named():
    _, left = read(
        weight_decay=0.1,
        codebook_weight=2.0,
        dropout_p=0.1,
        gen_loss='non-saturating',
        dataset='coco',
        odd=1,
    )
    names = ('weight-decay', 'codebook-weight', 'dropout-p', 'gen-loss', 'dataset')
    assert left == [*(f'--{name}' for name in names), '--odd']


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (dict(vq_model='VQ-32'), 'LlamaGen knows VQ-16, VQ-8'),
        (dict(disc_loss='wgan'), "--disc-loss is 'wgan'"),
        (dict(mixed_precision='fp8'), "--mixed-precision is 'fp8'"),
    ],
)
def test_what_llamagen_does_not_know(flags, message):
    with pytest.raises(RecipeError, match=message):
        read(**flags)
