"""The table says each key once, and the remarks."""

from vq.recipes.conversion import Converted
from vq.recipes.ledger import CARRIED, LEFT, SAME, Row
from vq.recipes.report import report


def test_a_line_a_key():
    rows = [
        Row('model.a', 1, CARRIED, 'model.width'),
        Row('b', 'x' * 50, SAME, 'so it is'),
        Row('c', None, LEFT, 'no place'),
    ]
    done = Converted('taming', rows, dict(batch='7'), '', ['12 tensors'])
    assert report(done).splitlines() == [
        f'model.a  {"1":36}  carried      model.width',
        f"b        '{'x' * 31} ...  as here      so it is",
        f'c        {"None":36}  NOT carried  no place',
        '',
        '3 keys of taming: 1 carried, 1 as here, 1 NOT carried',
        'batch: 7',
        '12 tensors',
    ]
