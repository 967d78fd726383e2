"""The one error of this package, and the hint that goes with a wrong name."""

import difflib
from collections.abc import Iterable

LIST_LENGTH = 10  # names in a message


class ConfigError(ValueError):
    """A config, an option or an override is wrong; the message says where and why."""


def nearest(name: object, known: Iterable[object]) -> str:
    """Return the question or the list that helps whoever wrote `name`."""
    wrong, names = str(name), [str(one) for one in known]
    near = difflib.get_close_matches(wrong, names, n=2)
    if not near and len(wrong) > 1:
        near = [one for one in names if wrong.lower() in one.lower()][:3]
    if near:
        return f'did you mean {" or ".join(f"`{one}`" for one in near)}?'
    if len(names) > LIST_LENGTH:
        some = difflib.get_close_matches(wrong, names, n=LIST_LENGTH, cutoff=0)
        return f'known, among others: {", ".join(some)}'
    return f'known: {", ".join(names)}' if names else 'there are none'
