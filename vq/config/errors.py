"""The one error of this package, and the hint that goes with a wrong name."""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A config, an option or an override is wrong; the message says where and why."""


def nearest(name: object, known: Iterable[object]) -> str:
    """Return the question or the list that helps whoever wrote `name`."""
    names = [str(one) for one in known]
    near = difflib.get_close_matches(str(name), names, n=2)
    if near:
        return f'did you mean {" or ".join(f"`{one}`" for one in near)}?'
    return f'known: {", ".join(names)}' if names else 'there are none'
