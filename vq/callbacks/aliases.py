"""Other names of logged numbers: those that another system's users look for."""

from collections.abc import Iterator, Mapping, Sequence

from vq.config.errors import nearest
from vq.logs import VALIDATED

Aliases = Mapping[str, str | Sequence[str]]


def aliased(aliases: Aliases, known: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers by their aliases.

    Of a list those are summed that there are; where there is none, nor is the alias.

    Args:
        aliases: A name or names by alias.
        known: Numbers by name.
    """
    parts = {
        alias: [known[name] for name in _names(named) if name in known]
        for alias, named in aliases.items()
    }
    return {alias: sum(found) for alias, found in parts.items() if found}


def absent(aliases: Aliases, known: Mapping[str, float]) -> Iterator[str]:
    """Yield a line about each name of an alias without a number.

    Those that validations find are left out: they come when they come.
    """
    found = aliased(aliases, known)
    for alias in [alias for alias in aliases if alias not in found]:
        for name in _names(aliases[alias]):
            if not name.startswith(VALIDATED):
                hint = nearest(name, known)
                yield f'alias {alias}: nothing is called {name} so far; {hint}'


def _names(named: str | Sequence[str]) -> Sequence[str]:
    return [named] if isinstance(named, str) else named
