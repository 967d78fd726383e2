"""Rules: numbers that count differently, unknown keys, keys that collide."""

import pytest
import torch

from vq.conversion.rules import (
    ConversionError,
    Dropped,
    Rule,
    Size,
    Table,
    listed,
    nested,
)

TABLE = Table(
    (
        Rule('up.{levels-1-level}.conv.', 'levels.{level}.conv.'),
        Rule('main.{3*depth+2}.', 'head.'),
        Rule('main.{3*block+2}.', 'blocks.{block}.'),
        Rule('embed', 'codebook'),
        Rule(
            'linear.',
            'conv.',
            to_ours=lambda t: t[:, :, None, None] if t.ndim == 2 else t,
            from_ours=lambda t: t[:, :, 0, 0] if t.ndim == 4 else t,
        ),
    ),
    (
        Size('levels', 'up.{levels-1}.', 'levels.{levels-1}.'),
        Size('depth', 'main.{3*depth+2}.', 'blocks.{depth-1}.'),
    ),
    (Dropped('loss.', 'a loss'), Dropped('steps', 'a counter')),
    (Dropped('ours.', 'only ours'),),
    lambda weights: {'used': torch.zeros(len(weights))},
)


def numbers(*keys):
    return {key: torch.tensor(i) for i, key in enumerate(keys)}


def test_levels_count_from_the_other_end():
    theirs = numbers('up.0.conv.weight', 'up.1.conv.bias', 'up.10.conv.weight')
    ours = TABLE.to_ours(theirs).weights
    expected = {
        f'up.{n}.conv.{leaf}': f'levels.{10 - n}.conv.{leaf}'
        for n, leaf in [(0, 'weight'), (1, 'bias'), (10, 'weight')]
    }
    assert ours == {expected[key]: value for key, value in theirs.items()}
    back = TABLE.from_ours(ours).weights
    assert {key: back[key] for key in theirs} == theirs


def test_every_third_layer_and_the_last():
    theirs = numbers('main.2.weight', 'main.5.weight', 'main.8.weight', 'main.8.bias')
    renamed = TABLE.to_ours(theirs)
    assert list(renamed.weights) == [
        'blocks.0.weight',
        'blocks.1.weight',
        'head.weight',
        'head.bias',
    ]
    back = TABLE.from_ours(renamed.weights)
    assert {key: back.weights[key] for key in theirs} == theirs
    assert renamed.mapped['head.weight'] == 'main.8.weight'


def test_transforms_are_undone():
    weight = torch.randn(3, 2)
    ours = TABLE.to_ours({'linear.weight': weight, 'linear.bias': weight[:, 0]}).weights
    assert torch.equal(ours['conv.weight'], weight[..., None, None])
    assert torch.equal(TABLE.from_ours(ours).weights['linear.weight'], weight)


def test_dropped_keys_have_reasons_and_restored_ones_come_back():
    renamed = TABLE.to_ours(numbers('embed', 'loss.a.b', 'steps'))
    assert renamed.dropped == {'loss.a.b': 'a loss', 'steps': 'a counter'}
    back = TABLE.from_ours(renamed.weights | numbers('ours.x'))
    assert set(back.weights) == {'embed', 'used'} and back.dropped == {
        'ours.x': 'only ours'
    }
    assert torch.equal(back.weights['used'], torch.zeros(1))


@pytest.mark.parametrize(
    'key',
    [
        'up.0.conv.scale',
        'up.x.conv.weight',
        'up.00.conv.weight',
        'main.3.weight',
        'embed.weight',
        'stepsize',
        'xembed',
        'linear.weight.x',
    ],
)
def test_unknown_keys_are_errors_that_list_them(key):
    with pytest.raises(ConversionError, match=f'no rule knows these keys: {key}$'):
        TABLE.to_ours(numbers('embed', key))


def test_two_keys_that_become_one():
    table = Table((Rule('a', 'x'), Rule('b', 'x')))
    with pytest.raises(ConversionError, match=r'a and b \(both x\)'):
        table.to_ours(numbers('a', 'b'))


def test_the_same_placeholder_twice_is_the_same_number():
    table = Table((Rule('a.{n}.b.{n}', 'c.{n}'),))
    assert set(table.to_ours(numbers('a.3.b.3')).weights) == {'c.3'}
    with pytest.raises(ConversionError):
        table.to_ours(numbers('a.3.b.4'))


def test_nested_rules_and_long_lists():
    assert nested('a.', 'b.', {'q': 'query'}) == (Rule('a.q.', 'b.query.'),)
    assert listed('abc') == 'a, b, c'
    assert listed(map(str, range(20))).endswith('11 ... (20 in all)')
