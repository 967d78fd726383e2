"""COCO, pictures of common objects in context (https://arxiv.org/abs/1405.0312)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths
from vq.datasets.base import OnError
from vq.datasets.json_files import objects
from vq.datasets.listed import ListedDataset, Source
from vq.datasets.splits import Split, check_split
from vq.registry import DATASETS

COCO = Source(
    'COCO',
    '{train,val}2014/*.jpg and annotations/instances_{train,val}2014.json',
    'https://cocodataset.org/#download',
)


@DATASETS.register_module()
class COCODataset(ListedDataset):
    """COCO's pictures, in the order of the annotations; category 0.

    A picture shows many objects, hence it has no class of its own. Ids are file names.

    Args:
        split: 'train' or 'val'.
        data_root: The folder of pictures and annotations.
        year: Which release; 2014 is what generative models are compared on.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: Pictures or annotations are not there.
        ValueError: The annotations are damaged.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/coco',
        year: int = 2014,
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        name = f'{split}{year}'
        self.split = name
        root = paths.resolve(data_root)
        images = COCO.require_folder(root / name)
        annotations = COCO.require_file(root / 'annotations' / f'instances_{name}.json')
        super().__init__(
            root=images,
            ids=_file_names(annotations),
            description=f'{data_root}/{name}',
            source=COCO,
            transforms=transforms,
            on_error=on_error,
        )


def _file_names(annotations: Path) -> Iterator[str]:
    # `images` come before the hundreds of megabytes of outlines, which are not read.
    for image in objects(annotations, member='images'):
        if 'file_name' not in image:
            raise ValueError(f'{annotations}: an image has no file_name: {image}')
        yield image['file_name']
