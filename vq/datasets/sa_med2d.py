"""SA-Med2D-20M, slices of medical scans (https://arxiv.org/abs/2311.11969).

Its list of images is the keys of a JSON file of gigabytes. They are scanned once and
kept as a plain text beside it (below work_dirs where that folder is read-only): a line
of version, size and time of the JSON file and number of names, then a name a line.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths
from vq.datasets.base import OnError
from vq.datasets.json_files import members
from vq.datasets.listed import ListedDataset, Source
from vq.datasets.splits import Split, StrideSplit, check_split
from vq.registry import DATASETS

ANNOTATIONS = 'SAMed2D_v1.json'
VERSION = 'vq-names-1'
SA_MED2D = Source(
    'SA-Med2D-20M',
    f'images/*.png and annotations/{ANNOTATIONS}',
    'https://huggingface.co/datasets/OpenGVLab/SA-Med2D-20M',
)

_logger = logging.getLogger(__name__)


@DATASETS.register_module()
class SAMed2DDataset(ListedDataset):
    """SA-Med2D-20M: 3,772,180 pictures; category 0, ids as in the list: `images/x.png`.

    Args:
        split: 'val' is every so many-th picture (`StrideSplit`), 'train' the others.
        data_root: The folder of pictures and annotations.
        val_size: Length of 'val'.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: Pictures or annotations are not there.
        ValueError: The annotations are damaged, or `val_size` is too large for them.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/sa_med2d',
        val_size: int = 25_000,
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        self.split = split
        root = paths.resolve(data_root)
        SA_MED2D.require_folder(root / 'images')
        # As it is unpacked, the list lies beside the folder of pictures.
        annotations = SA_MED2D.require_file(
            root / 'annotations' / ANNOTATIONS, root / ANNOTATIONS
        )
        super().__init__(
            root=root,
            ids=_ids(annotations, split, val_size),
            description=f'{data_root} {split}',
            source=SA_MED2D,
            transforms=transforms,
            on_error=on_error,
        )


def _ids(annotations: Path, split: Split, val_size: int) -> Iterator[str]:
    index = find_index(annotations)
    with index.open(encoding='utf-8', newline='\n') as lines:
        number = int(next(lines).split()[-1])
        parts = StrideSplit(number, val_size)
        for row, line in enumerate(lines):
            if parts.holds(split, row):
                yield line[:-1]


def find_index(annotations: Path) -> Path:
    """Return the file of the names in `annotations`; it is written where it is not.

    Raises:
        ValueError: The annotations are damaged.
        OSError: It can be written neither beside them nor below work_dirs.
    """
    stamp = _stamp(annotations)
    digest = hashlib.sha256(str(annotations).encode()).hexdigest()[:12]
    places = (
        annotations.with_name(f'{annotations.name}.names'),
        paths.ROOT / 'work_dirs' / 'indices' / f'{annotations.name}.{digest}.names',
    )
    for place in places:
        if _is_current(place, stamp):
            return place
    _logger.info('listing the images in %s, once', annotations)
    for place in places[:-1]:
        try:
            return _write(place, annotations, stamp)
        except OSError as error:
            _logger.info('%s cannot be written (%s)', place, error.strerror or error)
    return _write(places[-1], annotations, stamp)


def _stamp(annotations: Path) -> str:
    stat = annotations.stat()
    return f'{VERSION} {stat.st_size} {stat.st_mtime_ns}'


def _is_current(index: Path, stamp: str) -> bool:
    try:
        with index.open(encoding='utf-8') as lines:
            return next(lines, '').startswith(f'{stamp} ')
    except OSError:
        return False


def _write(index: Path, annotations: Path, stamp: str) -> Path:
    index.parent.mkdir(parents=True, exist_ok=True)
    # Ranks, on several machines, may write at once.
    aside = index.with_name(f'.{index.name}.{secrets.token_hex(4)}')
    number = 0
    try:
        with aside.open('w', encoding='utf-8', newline='\n') as file:
            # The number is known at the end; its place is kept by leading zeros.
            file.write(f'{stamp} {number:020d}\n')
            for member in members(annotations):
                if '\n' in member.name:
                    raise ValueError(f'{annotations}: {member.name!r} names no file')
                file.write(f'{member.name}\n')
                number += 1
            file.seek(0)
            file.write(f'{stamp} {number:020d}\n')
        aside.replace(index)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return index
