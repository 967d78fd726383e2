"""In what the configs of runs differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vq.config.printing import inline
from vq.config.tree import Key, dotted

VALIDATOR, TRAINER = '.validator', '.trainer'


def differences(
    configs: Sequence[Mapping[str, Any] | None],
) -> dict[str, list[str | None]]:
    """Return the override paths at which configs differ, with a value for each config.

    A value is written as Python; None: that config has nothing there. What a
    validator shares with its trainer is told once, of the trainer.

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


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[str, str]]:
    """Yield path and value of whatever is no dict and no list of dicts."""
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
        items = list(enumerate(value))
    if key and not items:
        yield dotted(key), inline(value)
    for step, child in items:
        yield from _leaves(child, (*key, step))
