"""A recipe as a config file: bases, and what it says that they do not."""

import inspect
import os
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths, registry
from vq.config.chain import Chains
from vq.config.printing import lines
from vq.config.tree import Node, clean, unwrap
from vq.recipes.ledger import LEFT, Row

BASES = 'configs/_base_'
WIDTH = 88  # columns
_REGISTRIES = (
    registry.MODELS,
    registry.DATASETS,
    registry.CALLBACKS,
    registry.METRICS,
    registry.STRATEGIES,
)


def over_bases(bases: Sequence[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fragments that a config has to say over its bases.

    Args:
        bases: Files below configs/_base_.
        wanted: All fragments that shall be said, by whom ever.
    """
    return difference(wanted, _said(bases))


def difference(wanted: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `wanted` is neither said nor a default of the class it is for."""
    if 'type' in wanted and wanted['type'] != said.get('type'):
        whole = without_defaults(wanted)
        return {'_delete_': True, **whole} if said else whole
    defaults = _defaults(wanted.get('type', said.get('type')))
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        there = said.get(key)
        if isinstance(value, Mapping):
            inner = difference(value, there if isinstance(there, Mapping) else {})
            if inner or (not isinstance(there, Mapping) and key not in defaults):
                found[key] = inner
        elif key in said:
            if not _equal(value, there):
                found[key] = value
        elif not _equal(value, defaults.get(key)):
            found[key] = value
    return found


def without_defaults(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's config without the arguments that its class has by default."""
    defaults = _defaults(part.get('type'))
    return {
        key: without_defaults(value) if isinstance(value, Mapping) else value
        for key, value in part.items()
        if key not in defaults or not _equal(value, defaults[key])
    }


def text(
    fragments: Mapping[str, Any],
    *,
    bases: Sequence[str],
    title: str,
    rows: Iterable[Row] = (),
    out: Path | None = None,
) -> str:
    """Return a config file.

    Args:
        fragments: What it says over its bases.
        bases: Files below configs/_base_.
        title: Its first line.
        rows: The account, of which what is not carried stands at the end.
        out: Where it will lie; below configs/ it names its bases by their way from it.
    """
    names = [_name(base, out) for base in bases]
    body = ['_base_ = [', *(f'    {name!r},' for name in names), ']']
    for name, value in fragments.items():
        body += [line.text for line in lines(value, prefix=f'{name} = ')]
    left = [row for row in rows if row.state == LEFT]
    if left:
        body += ['', '# Not carried from there:']
        for row in left:
            words = f'{row.key}={row.value!r}: {row.told}'
            body += textwrap.wrap(
                words, WIDTH, initial_indent='# ', subsequent_indent='#   '
            )
    return '\n'.join([f'"""{title}"""', '', *body]) + '\n'


def _name(base: str, out: Path | None) -> str:
    path = paths.ROOT / BASES / base
    if out is not None and out.resolve().is_relative_to(paths.ROOT / 'configs'):
        return os.path.relpath(path, out.resolve().parent)
    return f'{BASES}/{base}'


def _said(bases: Sequence[str]) -> dict[str, Any]:
    """Return the merged fragments of bases, their options at the defaults."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'bases.py'
        names = [f'{BASES}/{base}' for base in bases]
        file.write_text(f'"""Bases."""\n\n_base_ = {names!r}\n', encoding='utf-8')
        chain = Chains({}).read(file)
    parts = {name: clean(node) for name, node in chain.fragments.items()}
    said: dict[str, Any] = unwrap(Node(parts, ''))
    return said


def _defaults(type_: Any) -> dict[str, Any]:
    """Return the arguments that the class of a config has by default."""
    found = next((kind for each in _REGISTRIES if (kind := each.find(type_))), None)
    if found is None:
        return {}
    parameters = inspect.signature(found).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _equal(one: Any, other: Any) -> bool:
    """Compare values; a list is a tuple."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
