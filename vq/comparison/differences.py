"""In what the configs of runs differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vq.config.printing import inline
from vq.config.tree import Key, dotted

VALIDATOR, TRAINER = '.validator', '.trainer'


def differences(
    configs: Sequence[Mapping[str, Any] | None],
) -> dict[str, list[str | None]]:
    """Return the paths at which configs differ, with a value for each config.

    A value is written as Python; None: that config has nothing there. What a
    validator shares with its trainer is told once, of the trainer. Items of a list
    stand under their types: `.trainer.callbacks.LogCallback.interval`.

    Args:
        configs: Resolved ones; None for a run without, which differs in nothing.
    """
    flat = [dict(_leaves(config or {})) for config in configs]
    there = [i for i, config in enumerate(configs) if config is not None]
    rows: dict[str, list[str | None]] = {}
    for key in sorted({key for leaves in flat for key in leaves}):
        row = [leaves.get(key) for leaves in flat]
        twin = rows.get(TRAINER + key.removeprefix(VALIDATOR))
        if len({row[i] for i in there}) > 1 and twin != row:
            rows[key] = row
    return rows


def _steps(values: Sequence[Any]) -> Iterator[tuple[str | int, Any]]:
    """Yield the items of a list by their types, which an insertion does not renumber.

    An item whose type comes twice keeps its number.
    """
    types = [
        value.get('type') if isinstance(value, Mapping) else None for value in values
    ]
    for number, (type_, value) in enumerate(zip(types, values, strict=True)):
        yield (number if type_ is None or types.count(type_) > 1 else type_), value


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[str, str]]:
    """Yield path and value of whatever is no dict and no list of dicts."""
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
        items = list(_steps(value))
    if key and not items:
        yield dotted(key), inline(value)
    for step, child in items:
        yield from _leaves(child, (*key, step))
