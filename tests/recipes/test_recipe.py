"""Wishes are merged; crops are those of our fragments."""

import pytest

from vq import paths
from vq.recipes.recipe import Recipe, squares
from vq.recipes.writing import over_bases


def test_wishes_are_merged():
    made = Recipe('', '', {})
    given = dict(a=dict(b=1))
    made.want(model=given)
    made.want(model=dict(a=dict(c=2), d=None))
    assert made.fragments == dict(model=dict(a=dict(b=1, c=2), d=None))
    assert given == dict(a=dict(b=1))


@pytest.mark.parametrize('augment', [True, False])
def test_squares_are_those_of_our_fragments(augment):
    base = f'augment/{"weak" if augment else "none"}.py'
    assert (paths.ROOT / 'configs/_base_' / base).is_file()
    assert over_bases([base], squares(256, augment=augment)) == {}
    assert set(over_bases([base], squares(64, augment=augment))) == {
        'train_dataset',
        'val_dataset',
    }
