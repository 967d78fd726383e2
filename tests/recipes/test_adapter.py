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
    due = [i for i in range(start + 9) if model.discriminator_update(i) is not None]
    theirs = [i for i in range(0, start + 9, 3) if i >= start]
    assert due == [i - 2 for i in theirs]  # they count from 0
    ledger = Ledger.of(example('adapter_whole.json'))
    recipe(ledger, Options())
    told = ledger.remarks['discriminator']
    assert f'at iterations {due[0]}, {due[1]}, ...' in told
    assert f'there at {theirs[0]}, {theirs[1]}, ...' in told


def test_without_a_discriminator():
    tree = example('adapter_whole.json')
    tree['model_args']['lossconfig']['target'] = 'models.taming.VQLPIPS'
    fragments = read(tree)[0].fragments
    assert fragments['model']['discriminator'] is None
    assert fragments['optimizers']['discriminator'] is None


def test_sizes_are_needed():
    tree = example('adapter_whole.json')
    del tree['model_args']['n_embed']
    with pytest.raises(RecipeError, match='model_args.n_embed and .* are needed'):
        read(tree)


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
