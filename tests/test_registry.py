"""Registries build what a config's type names, and say what would have been right."""

import sys

import pytest

from vq.registry import ALL, MODELS, RUNNERS, Registry, unknown_type


@pytest.fixture
def registry() -> Registry:
    """A registry with two classes."""
    registry = Registry('part', location='vq.paths', aliases=['Old.Registry', 'Older'])

    @registry.register_module()
    class Encoder:
        def __init__(self, *, width: int, depth: int = 1) -> None:
            self.arguments = (width, depth)

    @registry.register_module()
    class Decoder:
        def __init__(self, *, params: object, lr: float) -> None:
            self.arguments = (params, lr)

    return registry


def test_build_calls_the_class_with_the_rest(registry: Registry) -> None:
    cfg = dict(type='Encoder', width=8)
    assert registry.build(cfg).arguments == (8, 1)
    assert cfg == dict(type='Encoder', width=8)
    weights = object()
    built = registry.build(dict(type='Decoder', lr=0.1), params=weights)
    assert built.arguments == (weights, 0.1)


def test_aliases_and_classes_resolve(registry: Registry) -> None:
    encoder = registry.find('Encoder')
    assert encoder is not None
    assert registry.find('Old.Registry.Encoder') is encoder
    assert registry.find('Older.Encoder') is encoder
    assert registry.find(encoder) is encoder
    assert registry.build(dict(type=encoder, width=2)).arguments == (2, 1)


@pytest.mark.parametrize('type_', ['Nothing', 'other.Encoder', None, 3])
def test_what_is_not_there_is_none(registry: Registry, type_: object) -> None:
    assert registry.find(type_) is None


def test_an_unknown_type_names_the_nearest(registry: Registry) -> None:
    with pytest.raises(KeyError, match="no part called 'Encodr'; did you mean Encoder"):
        registry.build(dict(type='Encodr'))
    with pytest.raises(KeyError, match='no part called None'):
        registry.build(dict(width=3))
    text = unknown_type('zzz', [registry, registry])
    assert text.startswith("there is no part or part called 'zzz'; known: ['Decoder'")


@pytest.mark.parametrize('cfg', [dict(widht=3), dict(), dict(width=3, params=1)])
def test_wrong_arguments_name_the_class(
    registry: Registry, cfg: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match='Encoder: .*got {') as info:
        registry.build(dict(type='Encoder', **cfg))
    assert str(cfg) in str(info.value)


def test_an_error_inside_a_constructor_is_its_own(registry: Registry) -> None:
    @registry.register_module()
    class Broken:
        def __init__(self) -> None:
            raise TypeError('inside')

    with pytest.raises(TypeError, match='^inside$'):
        registry.build(dict(type='Broken'))


def test_the_location_is_imported_at_the_first_look() -> None:
    name = 'wsgiref.types'  # a module that nobody else imports
    sys.modules.pop(name, None)
    registry = Registry('part', location=name)
    assert name not in sys.modules
    assert registry.names() == []
    assert name in sys.modules


def test_names_are_unique_over_all_registries() -> None:
    names = [name for registry in ALL for name in registry.names()]
    assert sorted(names) == sorted(set(names))
    assert len(ALL) == 7


def test_the_runners_know_the_documented_alias() -> None:
    found = RUNNERS.find('VQITRunnerRegistry.Tokenizer')
    assert found is not None
    assert found is RUNNERS.find('Tokenizer')
    assert MODELS.find('Tokenizer') is None
