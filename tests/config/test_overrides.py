"""Words of the command line, and what they change."""

from typing import Any

import pytest

from vq.config import ConfigError, parse_words
from vq.config.overrides import apply, find, format_word, parse_path, parse_word
from vq.config.tree import Sources


@pytest.mark.parametrize(
    ('word', 'key', 'value'),
    [
        ('it_config::configs/x.py', 'it_config', 'configs/x.py'),
        ('a::b:c', 'a', 'b:c'),
        ('a::', 'a', ''),
        ('iters:1024', 'iters', 1024),
        ('lr:1e-4', 'lr', 1e-4),
        ('n:-1', 'n', -1),
        ('n:+2.5', 'n', 2.5),
        ('x:None', 'x', None),
        ('x: True', 'x', True),
        ("x:'a:b'", 'x', 'a:b'),
        ('x:[1,2]', 'x', [1, 2]),
        ('x:(1,)', 'x', (1,)),
        ('x:{1, 2}', 'x', {1, 2}),
        ("x:{'a': [1]}", 'x', {'a': [1]}),
        ('x:dict(strict=False)', 'x', {'strict': False}),
        ("x:dict(type='A', b=dict(c=(1,)))", 'x', {'type': 'A', 'b': {'c': (1,)}}),
        ('x:list((1, 2))', 'x', [1, 2]),
        ('x:tuple([1])', 'x', (1,)),
        ('x:set()', 'x', set()),
        ('.trainer.callbacks[-1].load_state_dict:dict(strict=False)',
         '.trainer.callbacks[-1].load_state_dict', {'strict': False}),
    ],
)  # fmt: skip
def test_words(word: str, key: str, value: Any) -> None:
    assert parse_word(word) == (key, value)
    assert type(parse_word(word)[1]) is type(value)
    assert parse_word(format_word(key, value)) == (key, value)


@pytest.mark.parametrize(
    'text',
    [
        'configs/x.py', 'a', 'open("x")', '__import__("os")', 'dict(**{"a": 1})',
        'dict(a)', 'dict(5)', 'list(5)', '[x for x in (1,)]', '1 + 1', 'f"{1}"', '...',
        'lambda: 1', '{**{}}', '{[]: 1}', '(1', '', '1; 2', 'dict.fromkeys([1])',
        '[*(1, 2)]', '"a".upper()', '-"a"', 'print(1)',
    ],
)  # fmt: skip
def test_what_is_no_literal_is_never_evaluated(text: str) -> None:
    with pytest.raises(ConfigError) as info:
        parse_word(f'key:{text}')
    assert f'write key::{text} for a string' in str(info.value)
    assert repr(f'key:{text}') in str(info.value)


@pytest.mark.parametrize('word', ['key', ':3', '', ' :3'])
def test_a_word_has_key_and_value(word: str) -> None:
    with pytest.raises(ConfigError, match='key:literal or key::string'):
        parse_word(word)


def test_of_several_words_for_a_key_the_last_wins() -> None:
    words = parse_words(['a:1', 'b:2', 'a:3'])
    assert list(words.items()) == [('b', 2), ('a', 3)]


@pytest.mark.parametrize(
    ('path', 'key'),
    [
        ('.a.b[-1].c', ('a', 'b', -1, 'c')),
        ('.a["x/y"][0]', ('a', 'x/y', 0)),
        ("['a'].b_2", ('a', 'b_2')),
    ],
)
def test_paths(path: str, key: tuple[str | int, ...]) -> None:
    assert parse_path(path) == key


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        ('trainer.iters', 'write .trainer.iters'),
        ('.a..b', "'..b'"),
        ('.a[x]', "'[x]'"),
        ('.a[0', "'[0'"),
        ('.callbacks.0.x', '[0], [-1]'),
    ],
)
def test_paths_that_cannot_be_read(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as info:
        apply({'a': 1}, path, 3)
    assert message in str(info.value)


def tree() -> dict[str, Any]:
    return dict(
        trainer=dict(
            type='Trainer',
            model=dict(
                type='M', decoder=dict(type='D', width=8), plain=dict(a=1, bcd=2)
            ),
            dataloader=dict(batch_size=4),
            callbacks=[dict(type='A'), dict(type='B', interval=10)],
            metrics=dict(psnr=dict(type='PSNR')),
            betas=(0.5, 0.9),
            nothing=None,
            empty=dict(),
            levels=[8, 5],
        )
    )


def flat(value: Any, key: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Return all leaves by their keys."""
    if not isinstance(value, dict | list) or not value:
        return {key: value}
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for step, child in steps for k, v in flat(child, (*key, step)).items()}


@pytest.mark.parametrize(
    ('path', 'value', 'found'),
    [
        ('.trainer.model.decoder.width', 3, '.trainer.model.decoder.width'),
        ('.trainer.callbacks[-1].interval', 3, '.trainer.callbacks[1].interval'),
        ('.trainer.callbacks[-1].load_state_dict', dict(strict=False),
         '.trainer.callbacks[1].load_state_dict'),
        ('.trainer.levels[-2]', 3, '.trainer.levels[0]'),
        ('.trainer["dataloader"]["num_workers"]', 3, '.trainer.dataloader.num_workers'),
        ('.trainer.accumulate', 3, '.trainer.accumulate'),
        ('.trainer.empty.key', 3, '.trainer.empty.key'),
        ('.trainer.metrics.ssim', dict(type='SSIM'), '.trainer.metrics.ssim'),
        ('.trainer.model.decoder', None, '.trainer.model.decoder'),
        ('.trainer.model.decoder', dict(type='E'), '.trainer.model.decoder'),
        ('.trainer.nothing', dict(a=1), '.trainer.nothing'),
        ('.trainer.betas', [1, 2], '.trainer.betas'),
    ],
)  # fmt: skip
def test_apply_sets_one_value(path: str, value: Any, found: str) -> None:
    config = tree()
    sources = Sources({('trainer',): 'config.py'})
    apply(config, path, value, sources=sources)
    key, now = find(config, found)
    assert now == value
    assert sources.of(key) == f'--override {format_word(path, value)}'
    assert len(sources) == 2
    before, after = flat(tree()), flat(config)
    changed = {k for k in {*before, *after} if before.get(k, k) != after.get(k, k)}
    assert all(k[: len(key)] == key or k == key[:-1] for k in changed)


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ('.trainr.iters', 3, "the config has no key 'trainr'|`trainer`"),
        ('.trainr', 3, "the config has no key 'trainr'|`trainer`"),
        ('.trainer.modle.decoder.width', 3, ".trainer has no key 'modle'|`model`"),
        ('.trainer.model.decodr.width', 3, ".trainer.model has|'decodr'|`decoder`"),
        ('.trainer.model.plain.bce', 3, ".trainer.model.plain has|'bce'|`bcd`"),
        ('.trainer.model.plain.zzz', 3, "'zzz'|known: a, bcd"),
        ('.trainer.metrics.psrn', 3, "'psrn'|`psnr`"),
        ('.trainer.callbacks[2].x', 3, '.trainer.callbacks has 2 items|[1]|[-1]'),
        ('.trainer.callbacks[-3]', 3, '2 items|-3'),
        ('.trainer.callbacks.log', 3, "2 items|'log'|[0]"),
        ('.trainer.model[0]', 3, '.trainer.model has no key 0'),
        ('.trainer.nothing.x', 3, '.trainer.nothing is None'),
        ('.trainer.betas[0]', 3, '.trainer.betas is a tuple: set it as a whole'),
        ('.trainer.model.decoder', 3, 'is a dict|.trainer.model.decoder.width|None'),
        ('.trainer.model.decoder', [], 'is a dict'),
        ('.trainer.model.decoder', dict(width=3), "lose its type 'D'|single keys"),
    ],
)
def test_apply_says_what_is_wrong(path: str, value: Any, message: str) -> None:
    config = tree()
    with pytest.raises(ConfigError) as info:
        apply(config, path, value)
    for part in [f'--override {path}', *message.split('|')]:
        assert part in str(info.value)
    assert config == tree()


def test_the_root_may_be_one_runner() -> None:
    runner = tree()['trainer']
    apply(runner, '.dataloader.batch_size', 1024)
    apply(runner, '.accumulate', 2)
    assert (runner['dataloader'], runner['accumulate']) == (dict(batch_size=1024), 2)
