"""Load a config: read its chain of files, assemble it, apply overrides."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths
from vq.config.assembling import drop_none
from vq.config.chain import Chains
from vq.config.errors import ConfigError, nearest
from vq.config.files import display
from vq.config.overrides import apply_all, parse_words
from vq.config.resolved import Config, config_dict
from vq.config.tree import Sources


def load(
    path: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> Config:
    """Load a config file with all its bases.

    Bases merge in their order, then the file itself; a file that several of them
    share is merged once, where it comes first. What a file borrows is put in before.

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
    chain = Chains(options).read(start)
    _refuse_undeclared(display(start), options, chain.options)
    tree, sources = chain.assembled()
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
