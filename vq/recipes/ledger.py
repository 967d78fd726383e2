"""The account of a conversion: what became of each key of the source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CARRIED, SAME, LEFT = 'carried', 'as here', 'NOT carried'
UNKNOWN = 'not known here'
EMPTY: tuple[Any, ...] = (None, '', [], {})


@dataclass(frozen=True)
class Row:
    """What became of a key.

    Attributes:
        key: Of the source, its words joined by dots.
        value: What it says there.
        state: CARRIED, SAME (what is said here without it) or LEFT.
        told: Where it went, or why it did not.
    """

    key: str
    value: Any
    state: str
    told: str


@dataclass
class Ledger:
    """The leaves of a source, and where each of them went.

    Attributes:
        leaves: Values of the source by their keys.
        remarks: What is to be known beside the keys, by its subject.
    """

    leaves: dict[str, Any]
    remarks: dict[str, str] = field(default_factory=dict)
    _places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _same: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> 'Ledger':
        """Open the account of nested dicts; lists are leaves."""
        return cls(dict(_leaves(tree)))

    def get(self, key: str, default: Any = None) -> Any:
        """Return what a key says; `default` where it says nothing."""
        value = self.leaves.get(key)
        return default if value in EMPTY else value

    def take(self, key: str, *places: str, default: Any = None) -> Any:
        """Return what a key says, and note where it goes.

        Args:
            key: Of the source.
            places: Of our fragments, such as 'model.decoder.width'.
            default: What the original takes where the key says nothing.
        """
        if key in self.leaves:
            self._places[key] = places
        return self.get(key, default)

    def below(self, prefix: str) -> dict[str, Any]:
        """Return what is said below a key, by the rest of the keys."""
        return {
            key.removeprefix(prefix): value
            for key, value in self.leaves.items()
            if key.startswith(prefix)
        }

    def leave(self, key: str, reason: str) -> None:
        """Note why a key has no place; a prefix means what is not accounted for yet."""
        for found in self._named(key):
            self._reasons.setdefault(found, reason)

    def same(self, key: str, told: str) -> None:
        """Note that it is so here, too; prefixes as for `leave`."""
        for found in self._named(key):
            self._same.setdefault(found, told)

    def _named(self, key: str) -> list[str]:
        """Return the keys that one names: itself, or those that begin so."""
        if not key.endswith(('.', '_')):
            return [key] if key in self.leaves else []
        known = {*self._places, *self._reasons, *self._same}
        return [k for k in self.leaves if k.startswith(key) and k not in known]

    def remark(self, subject: str, told: str) -> None:
        """Note what no key of the source says."""
        self.remarks[subject] = told

    def rows(self, written: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the account, in the order of the source.

        Args:
            written: The fragments that the config says over its bases.
        """
        for key, value in self.leaves.items():
            places = self._places.get(key)
            if value in EMPTY:
                yield Row(key, value, SAME, 'says nothing')
            elif key in self._reasons:
                yield Row(key, value, LEFT, self._reasons[key])
            elif key in self._same:
                yield Row(key, value, SAME, self._same[key])
            elif places is None:
                yield Row(key, value, LEFT, UNKNOWN)
            else:
                said = [place for place in places if _says(written, place)]
                state = CARRIED if said else SAME
                yield Row(key, value, state, ', '.join(said or places))


def _leaves(tree: Mapping[str, Any], above: str = '') -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f'{above}{key}'
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f'{name}.')
        else:
            yield name, value


def _says(written: Mapping[str, Any], place: str) -> bool:
    """Tell whether fragments say something at a place, or replace what holds it."""
    part: Any = written
    for word in place.split('.'):
        if not isinstance(part, Mapping):
            return True  # a list or None stands for the whole
        if word not in part:
            return '_delete_' in part
        part = part[word]
    return True
