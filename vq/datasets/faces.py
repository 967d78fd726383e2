"""Faces: CelebA-HQ (https://arxiv.org/abs/1710.10196), FFHQ (arxiv.org/abs/1812.04948).

Both lie as flat folders, one a split. Neither comes with an agreed split; whoever puts
the files into `train` and `val` decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vq import paths
from vq.datasets.base import OnError
from vq.datasets.listed import ListedDataset, Source, flat_files
from vq.datasets.splits import Split, check_split
from vq.registry import DATASETS

CELEBA_HQ = Source(
    'CelebA-HQ',
    'train/*.jpg and val/*.jpg',
    'https://github.com/tkarras/progressive_growing_of_gans',
)
FFHQ = Source(
    'FFHQ', 'train/*.png and val/*.png', 'https://github.com/NVlabs/ffhq-dataset'
)


@DATASETS.register_module()
class CelebAHQDataset(ListedDataset):
    """CelebA-HQ: 30,000 faces of celebrities; category 0, ids are file names, sorted.

    Args:
        split: 'train' or 'val'.
        data_root: The folder with both.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: The folder of the split is not there, or has no picture.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/celeba-hq-256',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        self.split = split
        root = CELEBA_HQ.require_folder(paths.resolve(data_root) / split)
        super().__init__(
            root=root,
            ids=sorted(flat_files(root)),
            description=f'{data_root}/{split}',
            source=CELEBA_HQ,
            transforms=transforms,
            on_error=on_error,
        )


@DATASETS.register_module()
class FFHQDataset(ListedDataset):
    """FFHQ: 70,000 faces; category 0, ids are file names, sorted.

    Args:
        split: 'train' or 'val'.
        data_root: The folder with both.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: The folder of the split is not there, or has no picture.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/ffhq-256',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        self.split = split
        root = FFHQ.require_folder(paths.resolve(data_root) / split)
        super().__init__(
            root=root,
            ids=sorted(flat_files(root)),
            description=f'{data_root}/{split}',
            source=FFHQ,
            transforms=transforms,
            on_error=on_error,
        )
