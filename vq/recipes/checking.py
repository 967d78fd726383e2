"""Whether a config of ours builds the very network of the settings."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vq.checkpoints import only
from vq.conversion import find, structure
from vq.conversion.family import Family
from vq.conversion.reading import read
from vq.conversion.rules import ConversionError, listed
from vq.recipes.errors import RecipeError
from vq.recipes.published import Shapes

_DISCRIMINATORS = ('loss.discriminator.', 'discriminator.')


def network_shapes(model: Mapping[str, Any], family: Family) -> Shapes:
    """Return the published names of our network's weights, and their shapes.

    Args:
        model: Its config.
        family: Whose names.

    Raises:
        ConversionError: A weight of ours has no name there.
    """
    built = structure.build(structure.without_losses(model))
    weights = dict(built.state_dict())
    if family.parts:
        weights = only(weights, family.parts)
    pieces, _ = family.for_export(weights, built)
    renamed = family.from_ours(pieces).weights
    return {key: tuple(value.shape) for key, value in renamed.items()}


def compare(ours: Shapes, theirs: Mapping[str, tuple[int, ...]], what: str) -> str:
    """Compare names and shapes, and say how many there are.

    Raises:
        RecipeError: They differ; the names are listed.
    """
    found = {
        'missing here': [key for key in theirs if key not in ours],
        'too many here': [key for key in ours if key not in theirs],
        'of another shape': [
            f'{key} {shape} for {tuple(theirs[key])}'
            for key, shape in ours.items()
            if key in theirs and tuple(theirs[key]) != shape
        ],
    }
    wrong = [f'{kind}: {listed(keys)}' for kind, keys in found.items() if keys]
    if wrong:
        raise RecipeError(f'not the network of {what}; ' + '; '.join(wrong))
    numbers = sum(_elements(shape) for shape in ours.values())
    return f'{len(ours)} tensors, {numbers:,} numbers: the network of {what}'


def check(
    model: Mapping[str, Any], family_name: str, published: Shapes, *, what: str
) -> tuple[str, Shapes]:
    """Compare a model's config with the published names and shapes.

    Args:
        model: Our config, as it is trained.
        family_name: Of `vq.conversion`.
        published: As the settings say it.
        what: Where they are from.

    Returns:
        What was compared, in a line; and our names and shapes in their words.

    Raises:
        RecipeError: They differ.
    """
    try:
        ours = network_shapes(model, find(family_name))
    except ConversionError as error:
        raise RecipeError(f'not the network of {what}; {error}') from error
    if not any(key.startswith(_DISCRIMINATORS) for key in published):
        ours = _without_discriminator(ours)
    return compare(ours, published, what), ours


def check_file(ours: Shapes, path: Path, family_name: str) -> str:
    """Compare names and shapes with those of a checkpoint.

    Args:
        ours: Our names and shapes, in their words.
        path: The checkpoint, or JSON of names and shapes, compressed or not.
        family_name: Of `vq.conversion`.

    Raises:
        RecipeError: They differ.
        ConversionError: The file is damaged, or has keys that the family does not know.
    """
    family = find(family_name)
    if '.json' in path.suffixes:
        theirs = _listed_shapes(path)
    else:
        theirs = {k: tuple(v.shape) for k, v in read(path, family).weights.items()}
    known: dict[str, Tensor] = {
        key: torch.empty(shape, device='meta') for key, shape in theirs.items()
    }
    options = family.checked({})
    dropped = family.to_ours(known, **options).dropped
    kept = {k: v for k, v in theirs.items() if k not in dropped or k in ours}
    if not any(key.startswith(_DISCRIMINATORS) for key in kept):
        ours = _without_discriminator(ours)
    return compare(ours, kept, path.name)


def _listed_shapes(path: Path) -> Shapes:
    content = path.read_bytes()
    if path.suffix == '.gz':
        content = gzip.decompress(content)
    tree = json.loads(content)
    listing = tree.get('state_dict', tree)
    # An entry is a shape, or a type and a shape.
    return {
        key: tuple(entry[1] if entry and isinstance(entry[-1], list) else entry)
        for key, entry in listing.items()
    }


def _without_discriminator(shapes: Shapes) -> Shapes:
    return {k: v for k, v in shapes.items() if not k.startswith(_DISCRIMINATORS)}


def _elements(shape: tuple[int, ...]) -> int:
    number = 1
    for size in shape:
        number *= size
    return number
