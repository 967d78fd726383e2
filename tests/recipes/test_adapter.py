"""JSON of the adapter: clips, averages, a discriminator at every third step."""

import pytest

from tests.recipes.settings import example
from vq.models.vqgan import VQGAN
from vq.recipes.adapter import recipe
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.recipe import Options


def read(tree):
    ledger = Ledger.of(tree)
    made = recipe(ledger, Options())
    left = [row.key for row in ledger.rows(made.fragments) if row.state == LEFT]
    return made, left


def test_the_two_examples_are_one_training():
    made, left = read(example('adapter_whole.json'))
    least, none = read(example('adapter_least.json'))
    assert made.fragments['model'] == least.fragments['model']
    assert made.fragments['optimizers'] == least.fragments['optimizers']
    assert made.published == least.published
    assert not left and not none
    assert made.fragments['model']['discriminator_every'] == 3
    assert made.fragments['model']['discriminator_start'] == 10_000
    assert made.fragments['train_dataset']['frames'] == 8
    assert made.fragments['val_dataloader']['batch_size'] == 2 * 8


def test_the_rhythm_is_that_of_the_adapter():
    """After the start, the discriminator learns at one step of three."""
    every = read(example('adapter_whole.json'))[0].fragments['model']
    start, rhythm = every['discriminator_start'], every['discriminator_every']
    model = VQGAN.__new__(VQGAN)
    model.__dict__ |= dict(
        _modules={}, discriminator=1, discriminator_start=start,
        discriminator_every=rhythm,
    )  # fmt: skip
    due = [model.discriminator_update(i) is not None for i in range(start, start + 9)]
    assert due == [i % 3 == 0 for i in range(9)]


def test_the_learning_rate_is_the_models_first():
    tree = example('adapter_whole.json')
    tree['train_args']['lr'] = 3e-4
    made, _ = read(tree)
    assert made.fragments['optimizers']['generator']['lr'] == 1e-4
    del tree['model_args']['learning_rate']
    made, _ = read(tree)
    assert made.fragments['optimizers']['discriminator']['lr'] == 3e-4


def test_what_has_no_place_is_named():
    tree = example('adapter_whole.json')
    tree['train_args'] |= dict(use_taming_loss=False, odd=1, data_dir='videos')
    made, left = read(tree)
    assert left == ['train_args.use_taming_loss', 'train_args.odd']
    assert made.fragments['train_dataset']['data_root'] == 'videos'
    tree['model_args']['model_variant'] = 'GumbelVQ'
    with pytest.raises(RecipeError, match='the adapter knows VQModel, EMAVQ'):
        read(tree)
