"""Printed values load again to the same values, whatever they are."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vq.config import load
from vq.config.printing import WIDTH, inline, lines

Write = Callable[[str, str], Path]

SCALARS: list[Any] = [
    None, True, 0, -7, 10**20, 0.1, -0.0, 1e-300, math.inf, -math.inf, '', "it's", '"',
    'a\nb\\', 'é', b'\x00', 1 + 2j, 'x' * 100, (), (1,), {1}, set(),
    frozenset({'a', 'b'}), frozenset(), {3, 'a', None}, ((1,), [2]),
]  # fmt: skip
KEYS: list[Any] = ['a', 'b_c', 'class', 'x/y', '', 'items', 'type', 3, '_x', 'None']


def anything(rng: random.Random, depth: int) -> Any:
    """Draw nested plain data."""
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(SCALARS)
    size = rng.randrange(5)
    items = [anything(rng, depth - 1) for _ in range(size)]
    if kind < 0.75:
        return dict(zip(rng.sample(KEYS, size), items, strict=True))
    return items if kind < 0.9 else tuple(items)


def test_random_configs_survive_a_dump(write: Write, root: Path) -> None:
    rng = random.Random(0)
    for _ in range(40):
        value = {f'key{i}': anything(rng, 5) for i in range(6)}
        config = load(write('config.py', f'trainer = {inline(value)}'))
        assert config.tree == {'trainer': {'type': 'Trainer', **value}}
        config.dump(root / 'dump' / 'config.py')
        again = load('dump/config.py')
        assert again == config
        assert again.text == config.text


def test_types_survive() -> None:
    for value in SCALARS:
        again = eval(inline(value))  # what a config file does with it
        assert again == value
        assert type(again) is type(value)
        assert repr(again) == repr(value) or isinstance(value, set | frozenset)


def test_the_text_is_readable(write: Write) -> None:
    path = write(
        'config.py',
        """
        iters = 26e4
        train_dataset = dict(type='Images')
        model = dict(
            type='VQGAN',
            encoder=dict(type='ConvEncoder', channels=[128, 128, 256, 256, 512],
                         latent_dim=256),
            decoder={'class': 1, 'b': (1,)},
        )
        """,
    )
    assert load(path).text == (
        '"""A resolved config: bases merged, options and flags applied."""\n'
        '\n'
        'trainer = dict(\n'
        "    type='Trainer',\n"
        '    model=dict(\n'
        "        type='VQGAN',\n"
        '        encoder=dict(\n'
        "            type='ConvEncoder',\n"
        '            channels=[128, 128, 256, 256, 512],\n'
        '            latent_dim=256,\n'
        '        ),\n'
        "        decoder={'class': 1, 'b': (1,)},\n"
        '    ),\n'
        "    dataset=dict(type='Images'),\n"
        '    iters=260000.0,\n'
        ')\n'
    )


def test_lines_keep_to_the_width() -> None:
    value = [dict(a=list(range(n)), b={'x y': tuple(range(n))}) for n in range(1, 40)]
    body = [line.text for line in lines(value)]
    assert max(map(len, body)) <= WIDTH
    assert eval('\n'.join(body)) == value


def test_sets_are_printed_in_one_order() -> None:
    names = [f'name{i}' for i in range(20)]
    assert inline(set(names)) == inline(set(reversed(names)))
    assert inline({'b', 'a'}) == "{'a', 'b'}"
