"""From the fragments of config files to the two runners' configs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vq.config.errors import ConfigError, nearest
from vq.config.tree import (
    Key,
    Node,
    Sources,
    clean,
    dotted,
    leaves,
    merge,
    speaker,
)

RUNNERS = dict(trainer='Trainer', validator='Validator')  # and their default types
# Arguments whose parts have names; None drops one.
NAMED = ('callbacks', 'metrics', 'optimizers', 'schedulers')
# What measures and writes comes behind what acts: it sees the weights that will be
# saved, and all that others add to the logs.
# `--override .trainer.callbacks[-1]...` relies on the checkpoint being last.
LAST_CALLBACKS = ('validation', 'early_stopping', 'log', 'images', 'checkpoint')

# Which fragments, merged in this order, become which argument of which runner.
_ARGUMENTS: dict[str, dict[str, tuple[str, ...]]] = dict(
    trainer=dict(
        model=('model',),
        dataset=('train_dataset',),
        dataloader=('train_dataloader',),
        optimizers=('optimizers',),
        schedulers=('schedulers',),
        iters=('iters',),
        callbacks=('train_callbacks',),
        strategy=('strategy',),
    ),
    validator=dict(
        model=('model', 'val_model'),
        dataset=('val_dataset',),
        dataloader=('val_dataloader',),
        metrics=('val_metrics',),
        callbacks=('val_callbacks',),
        strategy=('strategy', 'val_strategy'),
    ),
)
FRAGMENTS = (
    *dict.fromkeys(
        name
        for arguments in _ARGUMENTS.values()
        for names in arguments.values()
        for name in names
    ),
    *RUNNERS,
)


def assemble(
    fragments: Mapping[str, Node], *, files: Sequence[str], options: Iterable[str]
) -> Node:
    """Return the tree of `trainer` and `validator`.

    A runner is left out where neither its data set nor itself is given.

    Args:
        fragments: The merged top-level names of all files; None counts as absent.
        files: The names of the files, in the order in which they were merged.
        options: Names of options, which may stand at the top level too.

    Raises:
        ConfigError: A name is no fragment, or what a file sets would be lost.
    """
    _refuse_unknown(fragments, set(options))
    given = {name: node for name, node in fragments.items() if node.value is not None}
    runners = {}
    for runner, arguments in _ARGUMENTS.items():
        if arguments['dataset'][0] in given or runner in given:
            parts = Node(_parts(runner, given), files[-1])
            if runner in given:
                _refuse_covered(parts, given[runner], runner, files)
                parts = clean(merge(parts, given[runner], (runner,)))
            runners[runner] = parts
    return Node(runners, files[-1])


def drop_none(tree: dict[str, Any], sources: Sources) -> None:
    """Drop runners and named parts that an override set to None, in place."""
    for runner in [runner for runner, config in tree.items() if config is None]:
        del tree[runner]
        sources.pop((runner,), None)
    for runner, config in tree.items():
        for argument in NAMED:
            parts = config.get(argument)
            if isinstance(parts, dict):
                for name in [name for name, value in parts.items() if value is None]:
                    del parts[name]
                    sources.pop((runner, argument, name), None)
        callbacks = config.get('callbacks')
        if isinstance(callbacks, list):
            key = (runner, 'callbacks')
            for index in reversed(range(len(callbacks))):
                if callbacks[index] is None:
                    del callbacks[index]
                    _close_gap(sources, key, index)


def _close_gap(sources: Sources, key: Key, index: int) -> None:
    """Renumber the items of the list at `key` after the one at `index` has gone."""
    depth = len(key)
    for old, source in list(sources.items()):
        step = old[depth] if len(old) > depth and old[:depth] == key else -1
        if isinstance(step, int) and step >= index:
            del sources[old]
            if step > index:
                sources[(*key, step - 1, *old[depth + 1 :])] = source


def _parts(runner: str, given: Mapping[str, Node]) -> dict[str, Node]:
    parts = {'type': Node(RUNNERS[runner], 'default')}
    for argument, names in _ARGUMENTS[runner].items():
        node: Node | None = None
        for name in names:
            if name in given:
                _refuse_scalar(name, given[name])
                node = merge(node, given[name], (name,))
        if node is None:
            continue
        node = clean(node)
        if argument in NAMED:
            node = _without_none(node)
        if argument == 'callbacks':
            node = Node(_ordered(node.value), node.source)
        parts[argument] = node
    return parts


def _without_none(node: Node) -> Node:
    kept = {k: v for k, v in node.value.items() if v.value is not None}
    return Node(kept, node.source)


def _ordered(callbacks: Mapping[str, Node]) -> list[Node]:
    first = [name for name in callbacks if name not in LAST_CALLBACKS]
    last = [name for name in LAST_CALLBACKS if name in callbacks]
    return [callbacks[name] for name in first + last]


def _refuse_unknown(fragments: Mapping[str, Node], options: set[str]) -> None:
    unknown = [name for name in fragments if name not in {*FRAGMENTS, *options}]
    if unknown:
        raise ConfigError(
            '\n'.join(
                f'{fragments[name].source}: there is no fragment {name!r}; '
                f'{nearest(name, FRAGMENTS)} (a variable starts with _)'
                for name in unknown
            )
        )


def _refuse_scalar(name: str, node: Node) -> None:
    if name != 'iters' and not isinstance(node.value, dict):
        raise ConfigError(f'{node.source}: {name} is a dict, got {node.value!r}')


def _refuse_covered(parts: Node, own: Node, runner: str, files: Sequence[str]) -> None:
    """Raise if `trainer = dict(...)` of a base covers what a later file says.

    This happens to fragments on top of a dumped config, which has no fragments.
    """
    for own_key, own_source in leaves(own, (runner,)):
        for key, source in leaves(parts, (runner,)):
            both = min(len(key), len(own_key))
            if key[:both] != own_key[:both]:
                continue
            if _rank(source, files) > _rank(own_source, files):
                raise ConfigError(
                    f'{source}: what it says about {dotted(key)[1:]} would be lost, '
                    f'since {own_source} sets {dotted(own_key)[1:]} in '
                    f'`{runner} = dict(...)`, which is merged last; do the same here, '
                    'or build on a config that is no resolved one'
                )


def _rank(source: str, files: Sequence[str]) -> int:
    said = speaker(source)
    return files.index(said) if said in files else -1
