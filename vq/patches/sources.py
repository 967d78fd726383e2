"""Where patches come from: images that are, for certain, those that were tokenized."""

import json
import logging

import numpy as np

from vq.datasets.base import ImageDataset
from vq.datasets.token_store import shard_path
from vq.datasets.tokens import TokenDataset
from vq.patches.counting import Integers
from vq.patches.reading import Enlarge
from vq.registry import TRANSFORMS

_logger = logging.getLogger(__name__)
WAYS_OUT = (
    'pass --train where, and only where, the training images were tokenized, and the '
    'same --config-options and --override as then'
)


def check_same_data(store: TokenDataset, dataset: ImageDataset) -> None:
    """Make sure that a store describes a data set.

    Raises:
        ValueError: Number or description differ.
    """
    pairs = {
        'images': (store.meta.number, len(dataset)),
        'data set': (store.meta.dataset, dataset.description),
    }
    differences = [
        f'{name}: {there!r} in the store, {here!r} in the config'
        for name, (there, here) in pairs.items()
        if there != here
    ]
    if differences:
        raise ValueError(
            f'the tokens in {store.root} are of other images, {"; ".join(differences)};'
            f' {WAYS_OUT}'
        )


def check_ids(store: TokenDataset, dataset: ImageDataset, images: Integers) -> None:
    """Make sure that images have the names that the store knows.

    Args:
        store: The tokens.
        dataset: The images.
        images: Positions in the data set, ascending.

    Raises:
        ValueError: One has another name.
    """
    blocks = images // store.meta.block_size
    for block in np.unique(blocks):
        path = shard_path(store.root, int(block))
        ids = json.loads((path / 'ids.json').read_text('utf-8'))
        needed = images[blocks == block]
        rows = np.searchsorted(np.load(path / 'indices.npy'), needed)
        for row, image in zip(rows, needed, strict=True):
            if ids[row] != (found := dataset.id(int(image))):
                raise ValueError(
                    f'image {image} is {ids[row]!r} in {store.root} and {found!r} in '
                    'the data set: files have come or gone since it was tokenized; '
                    'restore them, or write the tokens again'
                )


def use_transforms(dataset: ImageDataset, store: TokenDataset, *, scale: int) -> int:
    """Give a data set the transforms that the store names, enlarged where possible.

    Args:
        dataset: It is changed in place.
        store: The tokens.
        scale: How many times more pixels a side are wanted.

    Returns:
        How often pixels must still be repeated.
    """
    made = [TRANSFORMS.build(config) for config in store.meta.transforms]
    enlarged = scale > 1 and Enlarge.suits(made)
    # In place, since a LimitedDataset and the one inside share the list.
    dataset.transforms[:] = [Enlarge(made, scale=scale)] if enlarged else made
    if enlarged or scale == 1:
        return 1
    names = ', '.join(config['type'] for config in store.meta.transforms) or 'none'
    _logger.info(
        'pixels are repeated %d times a side, since only pictures that are resized, '
        'without random choices, can be read larger; transforms: %s',
        *(scale, names),
    )
    return scale
