"""Tables of rules that rename the keys of a state dict, the same both ways.

A rule pairs two templates. `{block}` in one is the number that `{block}` is in the
other; sums of it are allowed where the two count differently: `{3*block+2}`, or, with
a size of the network, `{levels-1-level}`, which counts from the other end.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

LEAVES = ('weight', 'bias')
SHOWN = 12  # keys that an error lists

_PLACE = re.compile(r'\{([^{}]+)\}')
_TERM = re.compile(r'([+-]?)(?:(\d+)\*)?(\w+)')
T = TypeVar('T')


class ConversionError(ValueError):
    """A checkpoint is not what it is said to be, or a format cannot hold a network."""


@dataclass(frozen=True)
class Rule:
    """A pair of key templates.

    Attributes:
        theirs: Template of the published key.
        ours: Template of ours. Where both end with a dot, a leaf follows.
        leaves: The last words of the keys, such as 'weight'.
        to_ours: What is done to the tensor on the way in, undone by `from_ours`.
        from_ours: What is done to it on the way out.
    """

    theirs: str
    ours: str
    leaves: tuple[str, ...] = LEAVES
    to_ours: Callable[[Tensor], Tensor] | None = None
    from_ours: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Size:
    """A number that templates may use, read from the keys: the largest that solves.

    Attributes:
        name: What templates call it; 0 where no key tells it.
        theirs: Beginning of published keys, such as 'decoder.up.{levels-1}.'.
        ours: Beginning of ours.
    """

    name: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class Dropped:
    """Keys that have no place on the other side.

    Attributes:
        key: A template; one that ends with a dot stands for all below it.
        reason: Why they are not needed there.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class Renamed:
    """A renamed state dict, and what became of its keys.

    Attributes:
        weights: By the new keys.
        mapped: Old keys by new ones.
        dropped: Reasons by the old keys that were left out.
    """

    weights: dict[str, Tensor]
    mapped: dict[str, str]
    dropped: dict[str, str]


@dataclass(frozen=True)
class _Template:
    """A compiled template: literal text and (name, factor, constant) in turn."""

    parts: tuple[str | tuple[str, int, int], ...]
    pattern: re.Pattern[str]

    def match(self, key: str) -> tuple[dict[str, int], str] | None:
        """Return the numbers and the leaf of a key, or None if it is another's."""
        found = self.pattern.fullmatch(key)
        if found is None:
            return None
        values: dict[str, int] = {}
        places = [part for part in self.parts if not isinstance(part, str)]
        numbers = map(int, found.groups()[: len(places)])
        for (name, factor, constant), number in zip(places, numbers, strict=True):
            value, rest = divmod(number - constant, factor) if factor else (0, 0)
            wrong = rest or value < 0 if factor else number != constant
            if wrong or values.setdefault(name, value) != value:
                return None
        return values, found['leaf'] or ''

    def fill(self, values: Mapping[str, int], leaf: str) -> str:
        """Return the key of these numbers and this leaf."""
        known = {**values, '': 0}
        words = [
            part if isinstance(part, str) else str(part[1] * known[part[0]] + part[2])
            for part in self.parts
        ]
        return ''.join(words) + leaf


@dataclass(frozen=True)
class Table:
    """All rules of a family of checkpoints.

    Attributes:
        rules: The first that matches a key renames it.
        sizes: What the templates count with.
        dropped: Published keys that have no place in ours.
        omitted: Our keys that have no place in theirs.
        restored: Makes what theirs has and ours lacks, given the rest of theirs.
    """

    rules: tuple[Rule, ...]
    sizes: tuple[Size, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    omitted: tuple[Dropped, ...] = ()
    restored: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None

    def to_ours(self, weights: Mapping[str, Tensor]) -> Renamed:
        """Rename published weights.

        Raises:
            ConversionError: A key is unknown, or two keys become one; they are listed.
        """
        sizes = _sizes((size.name, size.theirs, weights) for size in self.sizes)
        rules = [
            (_compile(r.theirs, sizes, r.leaves), _compile(r.ours, sizes), r.to_ours)
            for r in self.rules
        ]
        return _rename(weights, rules, self.dropped)

    def from_ours(self, weights: Mapping[str, Tensor]) -> Renamed:
        """Rename our weights; raises as `to_ours` does."""
        sizes = _sizes((size.name, size.ours, weights) for size in self.sizes)
        rules = [
            (_compile(r.ours, sizes, r.leaves), _compile(r.theirs, sizes), r.from_ours)
            for r in self.rules
        ]
        renamed = _rename(weights, rules, self.omitted)
        if self.restored is not None:
            renamed.weights.update(self.restored(renamed.weights))
        return renamed


def nested(
    theirs: str, ours: str, names: Mapping[str, str], **changes: Any
) -> tuple[Rule, ...]:
    """Return a rule for each pair of names below a pair of prefixes.

    Args:
        theirs: Prefix of the published keys, with its dot.
        ours: Prefix of ours.
        names: Our name of a module by theirs.
        changes: Further fields of the rules.
    """
    return tuple(
        Rule(f'{theirs}{name}.', f'{ours}{other}.', **changes)
        for name, other in names.items()
    )


def listed(items: Iterable[str]) -> str:
    """Return items in one line, the first dozen and how many there are."""
    every = list(items)
    more = f' ... ({len(every)} in all)' if len(every) > SHOWN else ''
    return ', '.join(every[:SHOWN]) + more


def _affine(text: str, sizes: Mapping[str, int]) -> tuple[str, int, int]:
    """Return name, factor and constant of a sum; sizes count as constants."""
    name, factor, constant = '', 0, 0
    for sign, times, word in _TERM.findall(text):
        value = int(times or 1) * (-1 if sign == '-' else 1)
        if word.isdecimal():
            constant += value * int(word)
        elif word in sizes:
            constant += value * sizes[word]
        else:
            name, factor = word, value
    return name, factor, constant


def _compile(
    text: str,
    sizes: Mapping[str, int],
    leaves: Iterable[str] = LEAVES,
    *,
    prefix: bool = False,
) -> _Template:
    """Compile a template; as a `prefix` it matches keys that begin with it."""
    words = _PLACE.split(text)
    parts: list[str | tuple[str, int, int]] = []
    pattern = ''
    for i, word in enumerate(words):
        parts.append(_affine(word, sizes) if i % 2 else word)
        pattern += r'(0|[1-9]\d*)' if i % 2 else re.escape(word)
    leaf = '|'.join(map(re.escape, leaves)) if text.endswith('.') else ''
    leaf = '.*' if prefix else leaf
    return _Template(tuple(parts), re.compile(f'{pattern}(?P<leaf>{leaf})'))


def _sizes(
    wanted: Iterable[tuple[str, str, Iterable[str]]],
) -> dict[str, int]:
    """Solve the templates of sizes for the keys that there are."""
    sizes: dict[str, int] = {}
    for name, text, keys in wanted:
        template = _compile(text, {}, prefix=True)
        found = [match[0][name] for key in keys if (match := template.match(key))]
        sizes[name] = max(found, default=0)
    return sizes


def _first(matches: Iterable[T | None]) -> T | None:
    return next((match for match in matches if match is not None), None)


def _rename(
    weights: Mapping[str, Tensor],
    rules: list[tuple[_Template, _Template, Callable[[Tensor], Tensor] | None]],
    droppable: Iterable[Dropped],
) -> Renamed:
    drops = [
        (_compile(drop.key, {}, prefix=drop.key.endswith('.')), drop.reason)
        for drop in droppable
    ]
    renamed, unknown, twice = Renamed({}, {}, {}), [], []
    for key, weight in weights.items():
        reason = _first(why if drop.match(key) else None for drop, why in drops)
        if reason is not None:
            renamed.dropped[key] = reason
            continue
        hit = _first((m, rule) if (m := rule[0].match(key)) else None for rule in rules)
        if hit is None:
            unknown.append(key)
            continue
        (values, leaf), (_, target, transform) = hit
        new = target.fill(values, leaf)
        if new in renamed.mapped:
            twice.append(f'{renamed.mapped[new]} and {key} (both {new})')
        renamed.mapped[new] = key
        renamed.weights[new] = transform(weight) if transform else weight
    if unknown:
        raise ConversionError(f'no rule knows these keys: {listed(unknown)}')
    if twice:
        raise ConversionError(f'two keys become one: {listed(twice)}')
    return renamed
