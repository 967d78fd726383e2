"""Check a config against the signatures of its classes, before anything is built."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vq.config.errors import ConfigError, nearest
from vq.config.resolved import Config
from vq.config.tree import Key, Sources, dotted

# What builders take out of a config before the class sees it.
OPTIMIZER_EXTRAS = frozenset({'params', 'clip_grad'})
SCHEDULER_EXTRAS = frozenset({'monitor', 'interval'})
# What builders add to it.
OPTIMIZER_GIVEN = frozenset({'params'})
SCHEDULER_GIVEN = frozenset({'optimizer'})
RUNNER_GIVEN = frozenset({'job'})
# A data loader's config names no class.
DATALOADER_ARGUMENTS = frozenset({'batch_size', 'num_workers', 'block_size'})

_BACKEND = 'VisBackend'
_FOREIGN_BACKENDS = ('SwanlabVisBackend',)  # registered by the package it comes with


def check(config: Config | Mapping[str, Any]) -> None:
    """Check every `type` of a config and the arguments beside it.

    Args:
        config: A config, or a part of one such as `config.validator`.

    Raises:
        ConfigError: Types or arguments are unknown, or arguments are missing: all of
            them, one a line, each with its path, its source and the nearest name.
    """
    tree, sources = config, Sources()
    if isinstance(config, Config):
        tree, sources = config.tree, config.sources
    problems = list(_Checker(sources).problems(tree, ()))
    if problems:
        raise ConfigError('\n'.join(problems))


class _Checker:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def problems(self, value: Any, key: Key) -> Iterator[str]:
        """Yield what is wrong at and below `key`."""
        children: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            children = value.items()
            if 'type' in value:
                yield from self._object(value, key)
            elif key[-1:] == ('dataloader',):
                known = sorted(DATALOADER_ARGUMENTS)
                yield from self._unknown(value, key, 'a data loader', known)
        elif isinstance(value, list | tuple):
            children = enumerate(value)
        for step, child in children:
            yield from self.problems(child, (*key, step))

    def _object(self, value: Mapping[str, Any], key: Key) -> Iterator[str]:
        type_, role = value['type'], _role(key)
        if isinstance(type_, str) and type_.endswith(_BACKEND):
            known = _backends()
            if type_ not in known:
                yield self._no_class(type_, key, known)
            return
        found, given = _find(type_, role)
        if found is None:
            yield self._no_class(type_, key, _names(role))
            return
        extras = dict(optimizers=OPTIMIZER_EXTRAS, schedulers=SCHEDULER_EXTRAS)
        parameters = inspect.signature(found).parameters.values()
        accepted = [
            p.name for p in parameters if p.kind in _NAMED and p.name not in given
        ]
        accepted += sorted(extras.get(role, ()))
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            yield from self._unknown(value, key, found.__name__, accepted)
        for p in parameters:
            required = p.kind in _NAMED and p.default is inspect.Parameter.empty
            if required and p.name not in value and p.name not in given:
                yield (
                    f'{dotted(key)}: {found.__name__} needs `{p.name}`'
                    f'{self._set_by((*key, "type"), "type set by")}'
                )

    def _unknown(
        self, value: Mapping[str, Any], key: Key, owner: str, known: Iterable[str]
    ) -> Iterator[str]:
        known = list(known)
        for name in value:
            if name != 'type' and name not in known:
                yield (
                    f'{dotted(key)}: {owner} takes no `{name}`'
                    f'{self._set_by((*key, name))}; {nearest(name, known)}'
                )

    def _no_class(self, type_: Any, key: Key, known: Iterable[str]) -> str:
        return (
            f'{dotted(key)}: there is no class {type_!r}'
            f'{self._set_by((*key, "type"))}; {nearest(type_, known)}'
        )

    def _set_by(self, key: Key, words: str = 'set by') -> str:
        source = self._sources.of(key)
        return f' ({words} {source})' if source else ''


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _role(key: Key) -> str:
    """Return 'optimizers' or 'schedulers' for the specs under such a key, else ''."""
    roles = [step for step in key[-2:] if step in ('optimizers', 'schedulers')]
    return str(roles[-1]) if roles else ''


def _registries(role: str) -> tuple[Any, ...]:
    """Return where the classes are registered that may stand there."""
    from vq import registry  # here, so that --help is instant

    roles = dict(optimizers=registry.OPTIMIZERS, schedulers=registry.SCHEDULERS)
    return (roles[role],) if role else registry.ALL


def _find(type_: Any, role: str) -> tuple[Any, frozenset[str]]:
    """Return the class that `type_` names, and which arguments its builder adds."""
    given = dict(
        optimizers=OPTIMIZER_GIVEN, schedulers=SCHEDULER_GIVEN, runner=RUNNER_GIVEN
    )
    for one in _registries(role):
        found = one.find(type_)
        if found is not None:
            return found, given.get(role or one.name, frozenset())
    return None, frozenset()


def _names(role: str) -> list[str]:
    """Return the names of all classes that may stand there."""
    return sorted({name for one in _registries(role) for name in one.names()})


def _backends() -> list[str]:
    import mmengine.visualization  # registers its backends
    from mmengine.registry import VISBACKENDS

    del mmengine
    return sorted({*VISBACKENDS.module_dict, *_FOREIGN_BACKENDS})
