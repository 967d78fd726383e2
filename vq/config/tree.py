"""Config trees whose every value remembers its source, and how two of them merge."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vq.config.errors import ConfigError

Key = tuple[str | int, ...]
DELETE = '_delete_'
_BORROWED = ', borrowed by '  # between two files of a source


def dotted(key: Key) -> str:
    """Write a key as an override path: `.trainer.callbacks[2]["a b"]`."""
    parts = []
    for step in key:
        plain = isinstance(step, str) and step.isidentifier()
        parts.append(f'.{step}' if plain else f'[{step!r}]')
    return ''.join(parts)


class Sources(dict[Key, str]):
    """Which file or flag set each leaf.

    A list in a file is one leaf; an override inside it has an entry of its own.
    """

    def of(self, key: Key) -> str:
        """Return the source of the value at `key`; '' where none is known."""
        for end in range(len(key), -1, -1):
            if key[:end] in self:
                return self[key[:end]]
        return next(iter(self._below(key).values()), '')

    def among(self, key: Key) -> set[str]:
        """Return the sources of all leaves at or below `key`."""
        return {self.of(key), *self._below(key).values()} - {''}

    def put(self, key: Key, source: str) -> None:
        """Say that `key` was set as a whole."""
        for old in self._below(key):
            del self[old]
        self[key] = source

    def _below(self, key: Key) -> dict[Key, str]:
        return {k: s for k, s in self.items() if k[: len(key)] == key}


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it comes from.

    Attributes:
        value: A dict of nodes, a list of nodes (the callbacks, once assembled), or a
            plain value; a list out of a file is a plain value.
        source: The file or flag that set it.
    """

    value: Any
    source: str


def borrowed(source: str, file: str) -> str:
    """Return the source of what `file` borrows from `source`."""
    return f'{source}{_BORROWED}{file}'


def speaker(source: str) -> str:
    """Return the file or flag that says a value: the last that borrowed it."""
    return source.rpartition(_BORROWED)[2]


def wrap(value: Any, sources: Sources, key: Key = ()) -> Node:
    """Return plain data as a tree; `sources` says where each part comes from."""
    source = sources.of(key)
    if isinstance(value, dict):
        children = {k: wrap(v, sources, (*key, k)) for k, v in value.items()}
        return Node(children, source)
    return Node(copy.deepcopy(value), source)


def unwrap(node: Node) -> Any:
    """Return the plain data of a tree, a copy."""
    if isinstance(node.value, dict):
        return {k: unwrap(child) for k, child in node.value.items()}
    if _is_list_of_nodes(node):
        return [unwrap(child) for child in node.value]
    return copy.deepcopy(node.value)


def leaves(node: Node, key: Key = ()) -> Iterator[tuple[Key, str]]:
    """Yield key and source of every leaf of a tree."""
    if isinstance(node.value, dict) and node.value:
        for step, child in node.value.items():
            yield from leaves(child, (*key, step))
    elif _is_list_of_nodes(node):
        for index, child in enumerate(node.value):
            yield from leaves(child, (*key, index))
    else:
        yield key, node.source


def merge(old: Node | None, new: Node, key: Key) -> Node:
    """Return `old` with `new` laid over it.

    Dict into dict, recursively; everything else replaces. `_delete_=True` in a dict
    of `new` drops what `old` has there; the mark stays, for `val_model` drops parts of
    `model` only when both are complete, and `clean` removes it at last.

    Raises:
        ConfigError: A dict meets something that is neither a dict nor None.
    """
    if old is None or old.value is None or _deletes(new):
        return new
    if isinstance(old.value, dict) != isinstance(new.value, dict):
        if new.value is None:
            return new
        raise ConfigError(_clash(old, new, key))
    if not isinstance(new.value, dict):
        return new
    merged: dict[Any, Node] = dict(old.value)
    for step, child in new.value.items():
        merged[step] = merge(merged.get(step), child, (*key, step))
    return Node(merged, old.source)


def clean(node: Node) -> Node:
    """Return a tree without its `_delete_` marks."""
    if not isinstance(node.value, dict):
        return node
    children = {k: clean(v) for k, v in node.value.items() if k != DELETE}
    return Node(children, node.source)


def _deletes(node: Node) -> bool:
    flag = node.value.get(DELETE) if isinstance(node.value, Mapping) else None
    return flag is not None and flag.value is True


def _clash(old: Node, new: Node, key: Key) -> str:
    where = dotted(key)[1:]
    if isinstance(new.value, dict):
        change = f'a dict in {new.source} over {old.value!r} in {old.source}'
        return f'{where}: {change}; if that is meant, put _delete_=True into the dict'
    change = f'{new.value!r} in {new.source} over a dict in {old.source}'
    way_out = 'write a dict, or None, or put _delete_=True into the dict around it'
    return f'{where}: {change}; {way_out}'


def _is_list_of_nodes(node: Node) -> bool:
    items = node.value
    return isinstance(items, list) and bool(items) and isinstance(items[0], Node)
