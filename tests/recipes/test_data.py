"""Data sets, sizes, batches and learning rates of the settings."""

import pytest

from vq.recipes.data import Data, learning_rate
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.recipe import IMAGENET, Options, Recipe


def read(data, *, resolution=32, augment=True):
    ledger = Ledger.of(dict(data=data))
    recipe = Recipe('', '', {})
    found = Data(ledger, recipe, Options(), resolution=resolution, augment=augment)
    left = [row.key for row in ledger.rows(recipe.fragments) if row.state == LEFT]
    return found, recipe, left


def taming(target, **params):
    part = dict(target=target, params=params)
    told = dict(batch_size=5, num_workers=3, train=part, validation=part)
    return dict(target='main.DataModuleFromConfig', params=told)


def test_a_table_of_images():
    told = dict(df_path='a.csv', image_size=48, batch_size=4, num_workers=2)
    found, recipe, left = read(dict(train=told, val=dict(df_path='b.csv')))
    assert recipe.bases == ['datasets/csv.py', 'augment/weak.py']
    assert recipe.fragments['train_dataset']['csv'] == 'a.csv'
    assert recipe.fragments['val_dataset']['csv'] == 'b.csv'
    transforms = recipe.fragments['train_dataset']['transforms']
    assert [t.get('size') for t in transforms] == [48, 48, None]
    assert (found.batch_size, left) == (4, [])
    assert recipe.fragments['val_dataloader'] == dict(num_workers=2)


@pytest.mark.parametrize(
    ('target', 'base', 'images'),
    [
        ('taming.data.imagenet.ImageNetTrain', 'imagenet', IMAGENET),
        ('taming.data.faceshq.FacesHQTrain', 'hq_faces', None),
    ],
)
def test_known_data_sets(target, base, images):
    found, recipe, left = read(taming(target, config=dict(size=256)), augment=False)
    assert recipe.bases == [f'datasets/{base}.py', 'augment/none.py']
    assert (found.batch_size, found.images, left) == (5, images, [])


def test_lists_and_unknown_ones():
    part = taming('taming.data.custom.CustomTrain', training_images_list_file='x.txt')
    _, recipe, left = read(part)
    assert recipe.fragments['train_dataset']['csv'] == 'x.txt' and not left
    _, recipe, left = read(taming('my.data.Set', strange=1))
    assert recipe.bases[0] == 'datasets/imagenet.py'
    parts = ('train', 'validation')
    assert left == [
        f'data.params.{part}.{key}'
        for part in parts
        for key in ('target', 'params.strange')
    ]


@pytest.mark.parametrize(
    ('options', 'rate'), [(Options(), 4.32e-4), (Options(scale_lr=False), 4.5e-6)]
)
def test_tamings_rule_of_the_learning_rate(options, rate):
    ledger = Ledger.of(dict(model=dict(base_learning_rate=4.5e-6)))
    assert learning_rate(ledger, options, 96, ('model.learning_rate',)) == rate
    ledger = Ledger.of(dict(model=dict(learning_rate=1e-4)))
    assert learning_rate(ledger, options, 96, ('model.learning_rate',)) == 1e-4
