"""ImageNet-1k, 1.28 million photographs, 1000 classes (arxiv.org/abs/1409.0575)."""

import logging
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, OnError
from vq.datasets.decoding import read_image
from vq.datasets.imagenet_files import CLASSES, IMAGENET, by_class, classes, synsets
from vq.datasets.names import Names
from vq.datasets.splits import SPLITS, Split, check_split
from vq.registry import DATASETS

ClassOrder = Literal['wnid', 'ilsvrc']
CLASS_ORDERS = ('wnid', 'ilsvrc')

_logger = logging.getLogger(__name__)


@DATASETS.register_module()
class ImageNetDataset(ImageDataset):
    """ImageNet-1k in any of its usual layouts, which is found out; ids are paths.

    * `train/n01440764/n01440764_18.JPEG`, and the same for `val`;
    * `val/ILSVRC2012_val_00000293.JPEG`, all in one folder, with labels from Kaggle's
      `LOC_val_solution.csv` or from `ILSVRC2012_devkit_t12/data`;
    * `train/n01440764/18.JPEG`, listed in `annotations/train.json` by name and
      `synset_id`, with `synsets.json`.

    The order is that of WNIDs, then of names, in each of them. A subset of the classes
    is allowed and warned of.

    Args:
        split: 'train' or 'val'.
        data_root: The folder of both.
        class_order: How classes are numbered from 0. 'wnid': alphabetically, as nearly
            all published classifiers have it. 'ilsvrc': as in the development kit
            (ILSVRC2012_ID - 1), which synsets.json or meta.mat tells.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: It is not there, or only in part; it is said what is odd.
        ValueError: Two layouts are mixed, or an option is unknown.
        ImportError: meta.mat must be read, and scipy is not installed.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/imagenet',
        class_order: ClassOrder = 'wnid',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        check_split(split)
        if class_order not in CLASS_ORDERS:
            raise ValueError(
                f'class_order must be one of {CLASS_ORDERS}, got {class_order!r}'
            )
        self.split = split
        self.description = f'{data_root}/{split}'
        root = paths.resolve(data_root)
        self.root = root / split
        if not self.root.is_dir():
            raise IMAGENET.missing(f'there is no folder {self.root}{_hint(root)}')
        self._categories = _numbering(root, class_order)
        numbers = array('h')
        self._ids = Names(self._scan(split, root, numbers))
        self._numbers = np.array(numbers)
        if not len(self._ids):
            raise IMAGENET.missing(f'there is no image in {self.root}')

    def _scan(self, split: Split, root: Path, numbers: 'array[int]') -> Iterator[str]:
        """Yield all ids in order, and append their categories to `numbers`."""
        ranks = {wnid: rank for rank, wnid in enumerate(self._categories)}
        for wnid, ids in by_class(root, split):
            if wnid not in ranks:
                raise ValueError(
                    f'{self.root} has the class {wnid}, which is none of the '
                    f'{len(ranks)} of ImageNet-1k; move it elsewhere'
                )
            numbers.extend([ranks[wnid]] * len(ids))
            yield from ids

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, index: int) -> Tensor:
        """Return picture `index` as it is stored: uint8, (3, h, w)."""
        return read_image(self.root / self._ids[index])

    def id(self, index: int) -> str:
        """Return the path of picture `index` relative to the split's folder."""
        return self._ids[index]

    def canonical_id(self, index: int) -> str:
        """Return 'n01440764_18', or 'ILSVRC2012_val_00000293', in each layout."""
        wnid, _, name = self._ids[index].rpartition('/')
        stem = name.rpartition('.')[0]  # pathlib is slow for a million
        if not stem.isdigit():
            return stem
        return f'ILSVRC2012_val_{stem:0>8}' if self.split == 'val' else f'{wnid}_{stem}'

    def category(self, index: int) -> int:
        """Return the number of the class of picture `index`."""
        return int(self._numbers[index])

    @property
    def categories(self) -> list[str]:
        """WNIDs of the classes, by index."""
        return list(self._categories)


def _numbering(root: Path, class_order: ClassOrder) -> list[str]:
    """Return the WNIDs in the order in which they are numbered."""
    wnids = list(synsets(root)) if class_order == 'ilsvrc' else classes(root)
    if len(wnids) != CLASSES:
        _logger.warning(
            '%s has %d classes, not %d: they are numbered among themselves',
            root, len(wnids), CLASSES,
        )  # fmt: skip
    return wnids


def _hint(root: Path) -> str:
    """Return a word to who named the folder of a split."""
    if root.name in SPLITS:
        return f'; data_root is the folder above `{root.name}`, and split names it'
    return ''
