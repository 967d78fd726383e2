"""Other names of logged numbers: those that another system's users look for."""

from collections.abc import Iterator, Mapping, Sequence

from vq.config.errors import nearest

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
    """Yield a line about each alias of which there is no number."""
    for alias in aliases.keys() - aliased(aliases, known).keys():
        for name in _names(aliases[alias]):
            hint = nearest(name, known)
            yield f'alias {alias}: nothing is called {name} so far; {hint}'


def _names(named: str | Sequence[str]) -> Sequence[str]:
    return [named] if isinstance(named, str) else named
