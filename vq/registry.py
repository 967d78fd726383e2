"""The registries: a config's `type` names a class in one of them.

A folder, a registry and a config key share one name (`metrics/`, `METRICS`,
`val_metrics`), and `locations` imports the folder at the first build, so that no
config lists imports.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.registry import Registry as _Registry


class Registry(_Registry):  # type: ignore[misc]
    """An mmengine registry whose errors say what would have been right.

    Args:
        name: What it holds, in the singular: 'model'.
        location: The package to import before the first look-up.
        aliases: Dotted prefixes that are dropped from a type, so that names which
            other systems print (`VQITRunnerRegistry.Tokenizer`) resolve too.
    """

    def __init__(
        self, name: str, *, location: str, aliases: Iterable[str] = ()
    ) -> None:
        super().__init__(name, locations=[location], scope='vq')
        self._aliases = tuple(f'{alias}.' for alias in aliases)

    def find(self, type_: Any) -> type | None:
        """Return the class that a config's `type` names, or None."""
        if inspect.isclass(type_):
            return type_
        if not isinstance(type_, str):
            return None
        for alias in self._aliases:
            type_ = type_.removeprefix(alias)
        self.import_from_location()
        found: type | None = self.module_dict.get(type_)
        return found

    def names(self) -> list[str]:
        """Return the names of all registered classes, sorted."""
        self.import_from_location()
        return sorted(self.module_dict)

    def build(self, cfg: Mapping[str, Any], **kwargs: Any) -> Any:
        """Build the object that `cfg` describes: its `type`, called with the rest.

        Args:
            cfg: A mapping with `type` and keyword arguments.
            kwargs: Further keyword arguments, for what no config can hold.

        Raises:
            KeyError: `type` is missing or unknown; the nearest names are listed.
            TypeError: The class does not take these arguments.
        """
        arguments = dict(cfg)
        type_ = arguments.pop('type', None)
        found = self.find(type_)
        if found is None:
            raise KeyError(unknown_type(type_, [self]))
        try:
            inspect.signature(found).bind(**arguments, **kwargs)
        except TypeError as error:
            raise TypeError(f'{found.__name__}: {error}; got {arguments}') from None
        return found(**arguments, **kwargs)


def unknown_type(type_: Any, registries: Iterable[Registry]) -> str:
    """Say that no registry knows `type_`, with the nearest names."""
    registries = list(registries)
    names = [name for registry in registries for name in registry.names()]
    near = difflib.get_close_matches(str(type_), names, n=3, cutoff=0.5)
    kinds = ' or '.join(registry.name for registry in registries)
    hint = f'did you mean {" or ".join(near)}?' if near else f'known: {names}'
    return f'there is no {kinds} called {type_!r}; {hint}'


MODELS = Registry('model', location='vq.models')
DATASETS = Registry('dataset', location='vq.datasets')
TRANSFORMS = Registry('transform', location='vq.datasets')
METRICS = Registry('metric', location='vq.metrics')
CALLBACKS = Registry('callback', location='vq.callbacks')
RUNNERS = Registry('runner', location='vq.runners', aliases=['VQITRunnerRegistry'])
STRATEGIES = Registry('strategy', location='vq.runners')
OPTIMIZERS = Registry('optimizer', location='vq.optimizers')
SCHEDULERS = Registry('scheduler', location='vq.optimizers')

# Of what stands under neither `optimizers` nor `schedulers` in a config.
ALL = (MODELS, DATASETS, TRANSFORMS, METRICS, CALLBACKS, RUNNERS, STRATEGIES)
