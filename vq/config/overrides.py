"""The grammar of `--config-options` and `--override`: key:literal, key::string."""

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vq.config.errors import ConfigError, nearest
from vq.config.tree import Key, Sources, dotted

_CALLS: dict[str, Callable[..., Any]] = dict(dict=dict, list=list, tuple=tuple, set=set)
_STEP = re.compile(
    r"""\.([A-Za-z_]\w*) | \[\s*(-?\d+)\s*\] | \["([^"]*)"\] | \['([^']*)'\]""",
    flags=re.VERBOSE,
)


def parse_literal(text: str) -> Any:
    """Return the value of a Python literal; it is parsed, never evaluated.

    Calls of dict, list, tuple and set on literals count as literals.

    Raises:
        ValueError: It is anything else.
    """
    try:
        return _value(ast.parse(text.strip(), mode='eval').body)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f'{text!r} is no literal') from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value) if value is not ...:
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant()):
            return ast.literal_eval(node)
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Set(elts=items):
            return {_value(item) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {_value(key): _value(value) for key, value in pairs if key}
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            arguments = [_value(argument) for argument in node.args]
            if all(keyword.arg for keyword in node.keywords):
                keywords = {str(k.arg): _value(k.value) for k in node.keywords}
                return _CALLS[name](*arguments, **keywords)
    raise ValueError(f'{ast.unparse(node)} is no literal')


def parse_word(word: str) -> tuple[str, Any]:
    """Split a word of the command line into key and value.

    `iters:1000` holds a literal, `it_config::configs/x.py` a string.

    Raises:
        ConfigError: It is neither.
    """
    key, colon, text = word.partition(':')
    key = key.strip()
    if not key or not colon:
        raise ConfigError(f'{word!r} is not of the form key:literal or key::string')
    if text.startswith(':'):
        return key, text[1:]
    try:
        return key, parse_literal(text)
    except ValueError:
        raise ConfigError(
            f'{word!r}: {text!r} is no Python literal (nor dict(...), list(...), '
            f'tuple(...), set(...) of literals); write {key}::{text} for a string'
        ) from None


def parse_words(words: Iterable[str]) -> dict[str, Any]:
    """Return keys and values of several words; of one key the last wins."""
    values: dict[str, Any] = {}
    for word in words:
        key, value = parse_word(word)
        values.pop(key, None)  # so that the order is that of the last mention
        values[key] = value
    return values


def format_word(key: str, value: Any) -> str:
    """Write key and value as a word again."""
    return f'{key}::{value}' if isinstance(value, str) else f'{key}:{value!r}'


def parse_path(path: str) -> Key:
    """Return the steps of an override path such as `.callbacks[-1]["key"]`.

    Raises:
        ConfigError: It does not start with a dot, or does not follow the grammar.
    """
    if not path.startswith(('.', '[')):
        raise ConfigError(f'{path!r} lacks its leading dot: write .{path}')
    steps: list[str | int] = []
    end = 0
    while end < len(path):
        step = _STEP.match(path, end)
        if step is None:
            raise ConfigError(
                f'{path!r} cannot be read from {path[end:]!r} on; '
                'write .name, [0], [-1] or ["name"]'
            )
        name, index, *quoted = step.groups()
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(name or quoted[0] or quoted[1] or '')
        end = step.end()
    return tuple(steps)


def find(tree: Any, path: str) -> tuple[Key, Any]:
    """Return what lies at `path`, after its key with indexes counted from 0.

    Raises:
        ConfigError: There is nothing; the nearest existing key is named.
    """
    return _descend(tree, parse_path(path))


def apply(tree: Any, path: str, value: Any, *, sources: Sources | None = None) -> None:
    """Set one value of a tree, in place.

    A new key is fine in an object's config (a dict with `type`) and in a data loader's,
    whose arguments `check` knows, and in an empty dict. Elsewhere it is taken for a
    slip of the pen, unless it names a new object.

    Args:
        tree: Dicts and lists.
        path: Where, such as `.trainer.callbacks[-1].interval`.
        value: What.
        sources: Where to note that this flag set it.

    Raises:
        ConfigError: The path does not exist, or the value does not fit there.
    """
    source = f'--override {format_word(path, value)}'
    try:
        *steps, last = parse_path(path)
        key, parent = _descend(tree, tuple(steps))
        if not (isinstance(parent, dict) and last not in parent):
            last = _step(parent, last, key)
            _refuse_loss(parent[last], value, (*key, last))
        elif not _may_grow(parent, key, last, value):
            _step(parent, last, key)
        if isinstance(parent, tuple):
            raise ConfigError(f'{dotted(key)} is a tuple: set it as a whole')
    except ConfigError as error:
        raise ConfigError(f'{source}: {error}') from None
    parent[last] = value
    if sources is not None:
        sources.put((*key, last), source)


def apply_all(
    tree: Any, overrides: Mapping[str, Any], sources: Sources | None = None
) -> None:
    """Apply overrides in order."""
    for path, value in overrides.items():
        apply(tree, path, value, sources=sources)


def _descend(tree: Any, steps: Key) -> tuple[Key, Any]:
    key: Key = ()
    for wanted in steps:
        step = _step(tree, wanted, key)
        tree = tree[step]
        key = (*key, step)
    return key, tree


def _step(container: Any, step: str | int, key: Key) -> Any:
    """Return `step` as `container` knows it, or say what it has instead."""
    where = dotted(key) or 'the config'
    if isinstance(container, dict):
        if step in container:
            return step
        raise ConfigError(f'{where} has no key {step!r}; {nearest(step, container)}')
    if isinstance(container, list | tuple):
        length = len(container)
        if isinstance(step, int) and -length <= step < length:
            return step % length
        way_out = f'write [0] to [{length - 1}], or [-1]' if length else ''
        raise ConfigError(f'{where} has {length} items, and no {step!r}; {way_out}')
    raise ConfigError(
        f'{where} is {container!r} and has no {step!r}; set it as a whole'
    )


def _may_grow(parent: Any, key: Key, step: str | int, value: Any) -> bool:
    if not key or isinstance(step, int):
        return 'type' in parent and isinstance(step, str)
    names_object = isinstance(value, dict) and 'type' in value
    checked = 'type' in parent or key[-1] == 'dataloader'
    return checked or names_object or not parent


def _refuse_loss(old: Any, value: Any, key: Key) -> None:
    if not isinstance(old, dict) or value is None:
        return
    if not isinstance(value, dict):
        known = ', '.join(dotted((*key, step)) for step in old)
        raise ConfigError(
            f'{dotted(key)} is a dict and cannot become {value!r}; '
            f'set one of its keys ({known}), or give a dict(...), or None'
        )
    if 'type' in old and 'type' not in value:
        raise ConfigError(
            f'{dotted(key)} would lose its type {old["type"]!r}: an override replaces '
            'a dict as a whole; set single keys, or give the type too'
        )
