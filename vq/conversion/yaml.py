"""Settings as YAML, for the code that reads our exports: dicts of plain values."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def dump(settings: Mapping[str, Any], *, indent: str = '') -> Iterator[str]:
    """Yield the lines of nested dicts; every other value stands on one line."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield f'{indent}{key}:'
            yield from dump(value, indent=f'{indent}  ')
        else:
            yield f'{indent}{key}: {json.dumps(value)}'  # JSON is YAML
