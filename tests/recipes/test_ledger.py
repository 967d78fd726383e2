"""Every key is accounted for, by what is written."""

from vq.recipes.ledger import CARRIED, LEFT, SAME, UNKNOWN, Ledger

TREE = dict(
    model=dict(a=1, b=2, c=[1, 2]), empty='', left=4, more=dict(x=1, y=2), new=5
)


def account(written):
    ledger = Ledger.of(TREE)
    assert ledger.take('model.a', 'model.width') == 1
    assert ledger.take('model.b', 'model.depth', 'model.decoder.depth') == 2
    assert ledger.take('model.c', 'model.mults') == [1, 2]
    assert ledger.take('empty', 'model.x', default=7) == 7
    assert ledger.take('not.there', 'model.x', default=8) == 8
    ledger.leave('left', 'no place')
    ledger.same('more.x', 'so it is')
    ledger.leave('more.', 'nobody needs it')
    return {row.key: (row.state, row.told) for row in ledger.rows(written)}


def test_states_follow_what_is_written():
    rows = account(dict(model=dict(width=1, decoder=dict(depth=2))))
    assert rows == {
        'model.a': (CARRIED, 'model.width'),
        'model.b': (CARRIED, 'model.decoder.depth'),
        'model.c': (SAME, 'model.mults'),
        'empty': (SAME, 'says nothing'),
        'left': (LEFT, 'no place'),
        'more.x': (SAME, 'so it is'),
        'more.y': (LEFT, 'nobody needs it'),
        'new': (LEFT, UNKNOWN),
    }


def test_what_replaces_a_part_says_all_of_it():
    rows = account(dict(model=dict(_delete_=True, mults=None)))
    assert [rows[f'model.{key}'][0] for key in 'abc'] == [CARRIED] * 3


def test_no_key_is_forgotten():
    ledger = Ledger.of(TREE)
    keys = ['model.a', 'model.b', 'model.c', 'empty', 'left', 'more.x', 'more.y', 'new']
    assert [row.key for row in ledger.rows({})] == keys
    assert ledger.below('model.') == dict(a=1, b=2, c=[1, 2])
