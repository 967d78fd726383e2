"""Which numbers of a column mean the same, and what sets the others apart."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Meaning = dict[str, Any]  # a protocol, flat: `reference_protocol.number`
UNKNOWN = 'unknown protocol: measured before it was written down'
MISMATCH = 'mismatch.'
PROGRAM = 'vq '  # a version of ours; what was computed is in the other fields
DIGITS = 12  # of a hash, where it is shown


def meaning(metric: str, protocols: Mapping[str, Any] | None) -> Meaning | None:
    """Return what a number means: the images, and what the metric itself says.

    Args:
        metric: Its name: `fid`, or `codebook/usage` of the metric `codebook`.
        protocols: Those of the record; None where it has none.
    """
    if protocols is None:
        return None
    own = protocols.get(metric, protocols.get(metric.partition('/')[0], {}))
    return dict(_flat({**protocols.get('data', {}), **own}))


def _flat(fields: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{key}.')
        elif not (key == 'version' and (prefix or str(value).startswith(PROGRAM))):
            yield f'{prefix}{key}', value


def notes(column: Sequence[Meaning | None]) -> list[str]:
    """Return a note for each number of a column; '' where none is needed.

    Numbers with equal notes may be compared. A note names the fields in which the
    column's protocols differ, with the number's own values, and always a mismatch
    with its reference.
    """
    known = [one for one in column if one is not None]
    fields = dict.fromkeys(field for one in known for field in one)
    differing = [
        field
        for field in fields
        if not field.startswith(MISMATCH)
        and len({json.dumps(one.get(field)) for one in known}) > 1
    ]
    return [UNKNOWN if one is None else _note(one, differing) for one in column]


def _note(one: Meaning, differing: Sequence[str]) -> str:
    shown = [*differing, *(field for field in one if field.startswith(MISMATCH))]
    return ', '.join(f'{field}={_written(one.get(field))}' for field in shown)


def _written(value: Any) -> str:
    if value is None:
        return 'unknown'
    if isinstance(value, list):
        return ' against '.join(map(_written, value))
    text = str(value)
    return text[:DIGITS] if re.fullmatch(r'[0-9a-f]{64}', text) else text
