"""Parts of other configs: `dict(_from_='configs/x.py', _at_='.model', ...)`."""

from collections.abc import Callable
from typing import Any, Protocol

from vq.config.errors import ConfigError
from vq.config.tree import (
    DELETE,
    Key,
    Node,
    Sources,
    borrowed,
    clean,
    dotted,
    merge,
    unwrap,
    wrap,
)

FROM = '_from_'  # a config file
AT = '_at_'  # an override path in it
_MARKS = (FROM, AT, DELETE)  # that a borrow replaces what bases said needs no mark


class Lender(Protocol):
    """A config that others borrow from."""

    def part(self, path: str) -> Node:
        """Return what lies at an override path."""


Lend = Callable[[str], Lender]


def fill(node: Node, *, key: Key, file: str, lend: Lend) -> Node:
    """Return a tree whose borrows have become what they stand for.

    A borrowed dict replaces what bases said at its place, and the keys beside `_from_`
    and `_at_` are merged onto it; they may be borrows themselves.

    Args:
        node: What a file says.
        key: Its place.
        file: The name of the file.
        lend: Returns the config of a path as `_from_` has it.

    Raises:
        ConfigError: There is nothing to borrow, or it cannot be changed as told.
    """
    value = node.value
    if isinstance(value, list | tuple):
        return Node(type(value)(_items(node, key, file, lend)), node.source)
    if not isinstance(value, dict):
        return node
    filled = Node(
        {
            step: fill(child, key=(*key, step), file=file, lend=lend)
            for step, child in value.items()
        },
        node.source,
    )
    if FROM in value or AT in value:
        return _borrowed(filled, key, file, lend)
    return filled


def _items(node: Node, key: Key, file: str, lend: Lend) -> list[Any]:
    """Return the items of a list, which is one leaf: plain data again."""
    sources = Sources({(): node.source})
    return [
        unwrap(clean(fill(wrap(item, sources), key=(*key, i), file=file, lend=lend)))
        for i, item in enumerate(node.value)
    ]


def _borrowed(node: Node, key: Key, file: str, lend: Lend) -> Node:
    where = f'{file}: {dotted(key)[1:]}'
    path, at = (_mark(name, node, where) for name in (FROM, AT))
    try:
        part = lend(path).part(at)
    except ConfigError as error:
        raise ConfigError(f'{where} borrows {at} of {path!r}: {error}') from None
    part = _relabelled(part, file)
    changes = {k: child for k, child in node.value.items() if k not in _MARKS}
    if not isinstance(part.value, dict):
        if changes:
            raise ConfigError(
                f'{where} borrows {at} of {path!r}, which is {part.value!r} and takes '
                f'no changes, got {", ".join(changes)}; leave them out, or write the '
                'value out'
            )
        return part
    marked = {**part.value, DELETE: Node(True, node.source)}
    return merge(Node(marked, part.source), Node(changes, node.source), key)


def _mark(name: str, node: Node, where: str) -> str:
    """Return what a borrow says under `name`."""
    found = node.value.get(name)
    if found is not None and isinstance(found.value, str):
        return found.value
    wrong = 'nothing' if found is None else repr(found.value)
    raise ConfigError(
        f'{where} needs {name} as a string, got {wrong} (its keys: '
        f'{", ".join(map(str, node.value))}); a borrow is '
        f"dict({FROM}='configs/x.py', {AT}='.validator.model.tokenizer')"
    )


def _relabelled(node: Node, file: str) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {k: _relabelled(child, file) for k, child in value.items()}
    return Node(value, borrowed(node.source, file))
