"""What a conversion of settings comes to, before it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vq.recipes.published import Shapes

IMAGENET = 1_281_167  # pictures that ImageNet's training set has


@dataclass(frozen=True)
class Options:
    """What the settings of others leave to their command lines.

    Attributes:
        gpus: How many a training runs on; None takes the settings' word, or 1.
        scale_lr: Whether `base_learning_rate` is multiplied by the number of images of
            an iteration, as taming-transformers does.
        images: In the training set, for settings that count epochs; None where the
            data set is not known.
    """

    gpus: int | None = None
    scale_lr: bool = True
    images: int | None = None


@dataclass
class Recipe:
    """A training in our words.

    Attributes:
        title: First line of the config.
        family: Of `vq.conversion`, whose names the network's weights have there.
        published: These names and their shapes.
        bases: Fragments below configs/_base_ that the config begins with.
        fragments: What it wants to be said, also where the bases say so already.
    """

    title: str
    family: str
    published: Shapes
    bases: list[str] = field(default_factory=list)
    fragments: dict[str, Any] = field(default_factory=dict)

    def want(self, **fragments: Any) -> None:
        """Add to what is wanted; dicts are merged."""
        merge(self.fragments, fragments)


def merge(tree: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge nested dicts into `tree`, in place."""
    for key, value in other.items():
        if isinstance(value, Mapping):
            inner = tree[key] if isinstance(tree.get(key), dict) else {}
            merge(inner, value)
            tree[key] = inner
        else:
            tree[key] = value


def squares(size: int, *, augment: bool) -> dict[str, Any]:
    """Return the data sets' transforms.

    Args:
        size: Pixels a side.
        augment: Whether training sees random squares of full height or width, mirrored
            or not, as of augment/weak.py; else the centre, as of augment/none.py.
    """
    resize = dict(type='Resize', size=size)
    crop = dict(type='RandomCrop', size=size)
    mirror = dict(type='RandomHorizontalFlip')
    centre = [resize, dict(type='CenterCrop', size=size)]
    return dict(
        train_dataset=dict(transforms=[resize, crop, mirror] if augment else centre),
        val_dataset=dict(transforms=centre),
    )
