"""SATIN, satellite and aerial pictures of 27 data sets (https://arxiv.org/abs/2304.11619).

Its files are those of the package `datasets` (Arrow, Parquet), read without network.
"""

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, OnError
from vq.datasets.concat import JoinedDataset
from vq.datasets.decoding import UnreadableImageError, decode, read_image
from vq.datasets.listed import Source
from vq.datasets.splits import Split, StrideSplit, check_split
from vq.registry import DATASETS

VAL_EVERY = 10  # one picture in ten is for validation
# Our choice. The eight others (SAT-4, SAT-6, EuroSAT, GID, Canadian_Cropland, the two
# Brazilian ones, Ships-In-Satellite-Imagery) hold small pictures, 28 to 80 pixels.
SUBSETS = (
    'NASC-TG2',
    'WHU-RS19',
    'RSSCN7',
    'RS_C11',
    'SIRI-WHU',
    'NWPU-RESISC45',
    'PatternNet',
    'RSD46-WHU',
    'CLRS',
    'Optimal-31',
    'Airbus-Wind-Turbines-Patches',
    'USTC_SmokeRS',
    'Satellite-Images-of-Hurricane-Damage',
    'Million-AID',
    'UC_Merced_LandUse_MultiLabel',
    'MLRSNet',
    'MultiScene',
    'RSI-CB256',
    'AID_MultiLabel',
)
SATIN = Source(
    'SATIN',
    'a folder a sub-set, as `datasets` caches or saves it, or with its Parquet files',
    'https://huggingface.co/datasets/jonathan-roberts1/SATIN',
)


@DATASETS.register_module()
class SATINDataset(JoinedDataset):
    """Sub-sets of SATIN one behind the other; category 0, ids are `EuroSAT:12`.

    Their labels are of different kinds, some several a picture, hence no classes.

    Args:
        split: 'val' is every tenth picture of each sub-set, 'train' the others
            (`StrideSplit`).
        data_root: The cache folder of the package `datasets`, or a folder that holds,
            for each sub-set, what `save_to_disk` wrote, or Parquet files.
        subsets: Their names, as on SATIN's page.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`.

    Raises:
        MissingDataError: Sub-sets are not there; all of them are named.
        ImportError: They are there, and the package `datasets` is not installed.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/satin',
        subsets: Sequence[str] = SUBSETS,
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        root = SATIN.require_folder(paths.resolve(data_root))
        found = {name: find(root, name) for name in subsets}
        missing = [name for name, files in found.items() if not files]
        if missing:
            raise SATIN.missing(
                f'{root} lacks {len(missing)} of {len(found)} sub-sets: '
                f'{", ".join(missing)}'
            )
        super().__init__(
            parts={name: _Subset(root, found[name], split) for name in found},
            transforms=transforms,
            on_error=on_error,
        )
        self.split = split
        self.description = f'{data_root} {split}'


class _Subset(ImageDataset):
    """One split of one sub-set; ids are row numbers."""

    def __init__(self, root: Path, files: Sequence[Path], split: Split) -> None:
        super().__init__(transforms=())
        self._rows = _open(root, files)
        self._split: Split = split
        number = len(self._rows)
        self._parts = StrideSplit(number, number // VAL_EVERY)

    def __len__(self) -> int:
        return self._parts.length(self._split)

    def read(self, index: int) -> Tensor:
        row = self._parts.row(self._split, index)
        image = self._rows[row]['image']
        if image['bytes'] is not None:
            return decode(image['bytes'], name=self.id(index))
        if image['path'] is not None:
            return read_image(Path(image['path']))
        raise UnreadableImageError(self.id(index), 'it is empty')

    def id(self, index: int) -> str:
        return str(self._parts.row(self._split, index))


def find(root: Path, subset: str) -> list[Path]:
    """Return what holds a sub-set: one saved folder, or sorted data files; else [].

    Args:
        root: A cache of the package `datasets`, or a folder of folders.
        subset: Name of the sub-set; case, `-` and `_` do not matter, since the package
            changes them.
    """
    places = [root, root / 'data', *sorted(root.glob('*___satin'))]
    for place in filter(Path.is_dir, places):
        for path in sorted(place.iterdir()):
            # The cache puts the owner in front: jonathan-roberts1___euro_sat.
            name = path.name.rpartition('___')[2].removesuffix('.parquet')
            if _plain(name) == _plain(subset) and (files := list(_files(path))):
                return files
    return []


def _plain(name: str) -> str:
    return re.sub(r'[^a-z0-9]', '', name.lower())


def _files(path: Path) -> Iterator[Path]:
    """Yield what holds the rows at `path`: the best of what is there."""
    if path.suffix == '.parquet':
        yield path
        return
    if (path / 'state.json').is_file():
        yield path
        return
    if (path / 'train' / 'state.json').is_file():
        yield path / 'train'
        return
    arrow = sorted(
        file
        for file in path.rglob('*-train*.arrow')
        if file.parent.suffix != '.incomplete'  # being written, or broken off
    )
    if arrow:
        # A cache may hold several versions, one a folder.
        newest = max({p.parent for p in arrow}, key=lambda p: p.stat().st_mtime)
        yield from (p for p in arrow if p.parent == newest)
        return
    yield from sorted(path.rglob('*.parquet'))


def _open(root: Path, files: Sequence[Path]) -> Any:
    """Return the rows as a `datasets.Dataset` whose pictures are not decoded."""
    try:
        datasets = importlib.import_module('datasets')
    except ImportError:
        raise ImportError(
            'SATIN is read with the package datasets, which is not installed: '
            "pip install 'vq[datasets]'"
        ) from None
    names = [str(path) for path in files]
    if files[0].is_dir():
        rows = datasets.load_from_disk(names[0])
    elif files[0].suffix == '.arrow':
        rows = datasets.concatenate_datasets(
            [datasets.Dataset.from_file(name) for name in names]
        )
    else:  # which cannot be mapped: it is turned into Arrow files once
        cache = str(root / '.arrow')
        rows = datasets.Dataset.from_parquet(names, cache_dir=cache)
    rows = rows.select_columns(['image'])
    return rows.cast_column('image', datasets.Image(decode=False))
