"""The combinations of a sampler's settings, and a folder of samples for each."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from vq.models.transformers import Sampling


def combinations(
    given: Mapping[str, Any], *, base: Sampling, out: Path
) -> dict[Path, Sampling]:
    """Return all combinations of the values that settings were given, by folder.

    Args:
        given: Values of some of the settings, by name: one, or a list of them; None
            leaves what `base` says.
        base: The config's settings.
        out: Folder of the samples; where a setting has several values each combination
            lies in a folder of its own below it, such as cfg4_temperature1.

    Raises:
        ValueError: A setting is out of its range.
    """
    lists = {
        key: [*dict.fromkeys(value)] if isinstance(value, list) else [value]
        for key, value in given.items()
        if value is not None
    }
    several = [key for key, values in lists.items() if len(values) > 1]
    found = {}
    for values in product(*lists.values()):
        settings = dict(zip(lists, values, strict=True))
        name = '_'.join(f'{key}{settings[key]:g}' for key in several)
        found[out / name] = replace(base, **settings)
    return found
