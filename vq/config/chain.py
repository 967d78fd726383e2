"""Chains of base files: each read once, what they borrow put in, merged."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vq import paths
from vq.config.assembling import RUNNERS, assemble, drop_none
from vq.config.borrowing import fill
from vq.config.errors import LIST_LENGTH, ConfigError, nearest
from vq.config.files import File, display, read
from vq.config.overrides import find, parse_path
from vq.config.tree import Node, Sources, clean, leaves, merge, unwrap, wrap


@dataclass(frozen=True, slots=True)
class Chain:
    """A config file and its bases.

    Attributes:
        fragments: What they say together.
        files: Their names, in the order in which they were merged.
        options: Names of the options that they, and what they borrow from, declare.
    """

    fragments: dict[str, Node]
    files: list[str]
    options: set[str]

    def assembled(self) -> tuple[dict[str, Any], Sources]:
        """Return the runners' configs, and which file or option set each leaf."""
        return _plain(assemble(self.fragments, files=self.files, options=self.options))

    def part(self, path: str) -> Node:
        """Return a part of the assembled config, or else of the merged fragments.

        Args:
            path: An override path: `.validator.model`, or `.model` of a file that has
                no data set.

        Raises:
            ConfigError: There is nothing; the nearest existing key is named.
        """
        first = ''.join(map(str, parse_path(path)[:1]))
        if first in RUNNERS:
            tree, sources = self.assembled()
            drop_none(tree, sources)
            if first not in tree:
                raise ConfigError(
                    f'it has no {first}, since it sets no data set for one'
                )
        else:
            parts = {name: clean(node) for name, node in self.fragments.items()}
            tree, sources = _plain(Node(parts, self.files[-1]))
        key, value = find(tree, path)
        return wrap(value, sources, key)


class Chains:
    """Reads chains with one set of options; a file that many borrow from, once.

    Args:
        options: Values for placeholders; each file picks those it declares.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._chains: dict[Path, Chain] = {}

    def read(self, start: Path, above: Sequence[Path] = ()) -> Chain:
        """Read a config file with all its bases.

        Args:
            start: The file.
            above: The files that led to it, by way of bases and borrows.

        Raises:
            ConfigError: A file is wrong or missing, or leads to itself.
        """
        if start not in self._chains:
            files: dict[Path, File] = {}
            self._read(start, files, above)
            fragments: dict[str, Node] = {}
            for file in files.values():
                for name, node in file.fragments.items():
                    fragments[name] = merge(fragments.get(name), node, (name,))
            self._chains[start] = Chain(
                fragments,
                files=[file.name for file in files.values()],
                options={option for file in files.values() for option in file.options},
            )
        return self._chains[start]

    def _read(self, path: Path, files: dict[Path, File], above: Sequence[Path]) -> None:
        """Read a file after its bases into `files`."""
        if path in above:
            circle = ' -> '.join(display(file) for file in [*above, path])
            raise ConfigError(
                f'config files need each other: {circle}; if an option names one, '
                'the resolved one that a run leaves in its folder needs no other'
            )
        if path in files:
            return
        file = read(path, self._options)
        for base in file.bases:
            found = _find(file, base, f'{file.name}: its base')
            self._read(found, files, [*above, path])
        files[path] = self._filled(file, [*above, path])

    def _filled(self, file: File, above: Sequence[Path]) -> File:
        """Return a file with what it borrows, and the options of that."""
        options = set(file.options)

        def lend(path: str) -> Chain:
            chain = self.read(_find(file, path, 'the file'), above)
            options.update(chain.options)
            return chain

        fragments = {
            name: fill(node, key=(name,), file=file.name, lend=lend)
            for name, node in file.fragments.items()
        }
        return dataclasses.replace(file, fragments=fragments, options=options)


def _plain(root: Node) -> tuple[dict[str, Any], Sources]:
    return unwrap(root), Sources(leaves(root) if root.value else ())


def _find(file: File, path: str, what: str) -> Path:
    """Return what `file` names: relative to it, else (an option's) to the root."""
    beside = file.path.parent / path
    for candidate in (beside, paths.resolve(path)):
        if candidate.is_file():
            return candidate.resolve()
    near = _near(beside) or _near(paths.resolve(path))
    raise ConfigError(
        f'{what} {path!r} does not exist, neither beside {file.name} nor below the '
        f'repository{near}'
    )


def _near(path: Path) -> str:
    """Return which files lie where `path` does not; '' where there is no folder."""
    names = sorted(found.name for found in path.parent.glob('*.py'))
    if not names:
        return ''
    if len(names) > LIST_LENGTH:
        return f'; {nearest(path.name, names)}'
    return f'; {display(path.parent.resolve())} holds {", ".join(names)}'
