"""Load a config: read the chain of base files, merge, assemble, override."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths
from vq.config.assembling import assemble, drop_none
from vq.config.errors import ConfigError, nearest
from vq.config.files import File, display, read
from vq.config.overrides import apply_all, parse_words
from vq.config.resolved import Config, config_dict
from vq.config.tree import Node, Sources, leaves, merge, unwrap


def load(
    path: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> Config:
    """Load a config file with all its bases.

    Bases merge in their order, then the file itself; a file that several of them
    share is merged once, where it comes first.

    Args:
        path: The file, below the repository or the current folder.
        options: Values for the placeholders `'{{$name}}'` and `'{{$name:default}}'`.
        overrides: Changes of the assembled config: values by path, such as
            `{'.trainer.iters': 1000}`, or words, such as `['.trainer.iters:1000']`.

    Raises:
        ConfigError: Something is wrong; the message names the file or the flag.
    """
    options = dict(options or {})
    if not isinstance(overrides, Mapping):
        overrides = parse_words(overrides)
    try:
        start = paths.resolve_input(path).resolve()
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None
    root = _merge_chain(start, options)
    tree, sources = unwrap(root), Sources(leaves(root) if root.value else ())
    apply_all(tree, overrides, sources)
    drop_none(tree, sources)
    return Config(config_dict(tree), path=start, sources=sources)


def apply_overrides(
    config: Config | dict[str, Any], overrides: Mapping[str, Any] | Sequence[str]
) -> None:
    """Apply overrides to a config or a part of it (`config.validator`), in place.

    Args:
        config: What the paths start from.
        overrides: Values by path, or words.

    Raises:
        ConfigError: A path does not exist, or a value does not fit.
    """
    if not isinstance(overrides, Mapping):
        overrides = parse_words(overrides)
    values = config_dict(dict(overrides))  # dicts within become mmengine's too
    if isinstance(config, Config):
        apply_all(config.tree, values, config.sources)
        drop_none(config.tree, config.sources)
    else:
        apply_all(config, values)
        drop_none({'': config}, Sources())


def _merge_chain(start: Path, options: Mapping[str, Any]) -> Node:
    """Return the assembled tree of a file and its bases."""
    chain: dict[Path, File] = {}
    _read_chain(start, options, chain, [])
    declared = {option for file in chain.values() for option in file.options}
    _refuse_undeclared(display(start), options, declared)
    fragments: dict[str, Node] = {}
    for file in chain.values():
        for name, node in file.fragments.items():
            fragments[name] = merge(fragments.get(name), node, (name,))
    names = [file.name for file in chain.values()]
    return assemble(fragments, files=names, options=declared)


def _read_chain(
    path: Path, options: Mapping[str, Any], chain: dict[Path, File], above: list[Path]
) -> None:
    """Read a file after its bases into `chain`; `above` are those that led here."""
    if path in above:
        circle = ' -> '.join(display(file) for file in [*above, path])
        raise ConfigError(f'config files are bases of each other: {circle}')
    if path in chain:
        return
    file = read(path, options)
    for base in file.bases:
        _read_chain(_find_base(file, base), options, chain, [*above, path])
    chain[path] = file


def _find_base(file: File, base: str) -> Path:
    """Return a base's path: relative to its file, else (an option's) to the root."""
    for candidate in (file.path.parent / base, paths.resolve(base)):
        if candidate.is_file():
            return candidate.resolve()
    missing = display((file.path.parent / base).resolve())
    raise ConfigError(f'{file.name}: its base {base!r} ({missing}) does not exist')


def _refuse_undeclared(
    name: str, options: Mapping[str, Any], declared: set[str]
) -> None:
    unknown = [option for option in options if option not in declared]
    if unknown:
        raise ConfigError(
            '\n'.join(
                f'{name}: neither it nor its bases declare the option {option!r}; '
                f'{nearest(option, sorted(declared))}'
                for option in unknown
            )
        )
