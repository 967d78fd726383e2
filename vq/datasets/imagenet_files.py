"""What lies in an ImageNet folder: pictures by class, labels, the numbering of classes.

A WNID such as n01440764 is the name of a class, and of its folder. An ILSVRC2012_ID, 1
to 1000, is its number in the development kit.
"""

import contextlib
import importlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vq.datasets.base import MissingDataError
from vq.datasets.json_files import objects
from vq.datasets.listed import Source

CLASSES = 1000
KIT = 'ILSVRC2012_devkit_t12/data'
EXTENSIONS = ('.jpeg', '.jpg', '.png')
IMAGENET = Source(
    'ImageNet-1k',
    '{train,val}/<WNID>/*.JPEG, or val/*.JPEG beside LOC_val_solution.csv or '
    f'{KIT}, or annotations/*.json and synsets.json with shortened file names',
    'https://www.image-net.org/download.php',
)

_WNID = re.compile(r'n\d{8}')
_FLAT_NAME = re.compile(r'ILSVRC2012_val_(\d{8})\.\w+')
_LONG_NAME = re.compile(r'(n\d{8}|ILSVRC2012_(val|test))_\d+\.\w+')


def by_class(root: Path, split: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each class of a split and the sorted paths of its pictures.

    Classes come in order of their WNIDs, paths are relative to the split's folder.

    Raises:
        MissingDataError: The folder, some classes, archives in it or labels are not
            there or not unpacked; it is said which.
        ValueError: Two layouts are mixed.
    """
    folder = IMAGENET.require_folder(root / split)
    folders, files = _entries(folder)
    annotations = root / 'annotations' / f'{split}.json'
    if annotations.is_file():
        yield from _annotated(root, annotations, folder, folders)
    elif files:
        if folders:
            raise ValueError(
                f'{folder} holds both class folders ({folders[0]}) and images '
                f'({min(files)}); move one kind elsewhere'
            )
        labels = flat_labels(root)
        yield from _group((_label(labels, folder, name), name) for name in files)
    else:
        yield from _scanned(folder, folders)


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the class folders, sorted, and the pictures that lie in none."""
    folders, files, archives = [], [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith('.'):
                continue
            if name.lower().endswith(EXTENSIONS):
                files.append(name)
            elif name.endswith('.tar'):
                archives.append(name.removesuffix('.tar'))
            elif entry.is_dir():
                folders.append(name)
    packed = sorted(set(archives) - set(folders))
    if packed:
        raise IMAGENET.missing(
            f'{folder} holds {len(packed)} archives that are not unpacked, such as '
            f'{packed[0]}.tar'
        )
    odd = [name for name in folders if not _WNID.fullmatch(name)]
    if odd:
        raise ValueError(
            f"{folder / odd[0]} is no class: ImageNet's are named by WNIDs, such as "
            'n01440764; FolderDataset reads classes of any name'
        )
    return sorted(folders), files


def _scanned(folder: Path, folders: list[str]) -> Iterator[tuple[str, list[str]]]:
    empty = []
    for wnid in folders:
        with os.scandir(folder / wnid) as entries:
            names = [e.name for e in entries if e.name.lower().endswith(EXTENSIONS)]
        names = sorted(name for name in names if not name.startswith('.'))
        long = [name for name in names if _LONG_NAME.fullmatch(name)]
        if long and len(long) < len(names):
            short = min(set(names) - set(long))
            raise ValueError(
                f'{folder / wnid} holds both original names ({long[0]}) and shortened '
                f'ones ({short}): some images may be there twice'
            )
        strangers = [n for n in long if n[0] == 'n' and not n.startswith(wnid)]
        if strangers:
            raise ValueError(f'{folder / wnid} holds {strangers[0]} of another class')
        if not names:
            empty.append(wnid)
        yield wnid, [f'{wnid}/{name}' for name in names]
    if empty:
        raise IMAGENET.missing(
            f'{len(empty)} of {len(folders)} classes in {folder} hold no image, such '
            f'as {empty[0]}'
        )


def _annotated(
    root: Path, annotations: Path, folder: Path, folders: list[str]
) -> Iterator[tuple[str, list[str]]]:
    wnids = {number: wnid for wnid, number in synsets(root).items()}

    def pairs() -> Iterator[tuple[str, str]]:
        for image in objects(annotations):
            name = image.get('name', image.get('image'))
            wnid = wnids.get(image.get('synset_id', 0))
            if name is None or wnid is None:
                raise ValueError(
                    f'{annotations}: `name` and a known `synset_id` are expected, got '
                    f'{image}'
                )
            yield wnid, f'{wnid}/{name.removeprefix(f"{wnid}/")}'

    groups = list(_group(pairs()))
    gone = sorted({wnid for wnid, _ in groups} - set(folders))
    if gone:
        raise IMAGENET.missing(
            f'{annotations} lists images of {len(gone)} classes that are not in '
            f'{folder}, such as {gone[0]}'
        )
    for wnid, ids in groups:
        if not (folder / ids[0]).exists():
            raise IMAGENET.missing(
                f'{annotations} lists {ids[0]}, which is not in {folder}: some images '
                'are missing, or still have their original names'
            )
        yield wnid, ids


def _group(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for wnid, name in pairs:
        groups[wnid].append(name)
    for wnid in sorted(groups):
        yield wnid, sorted(groups.pop(wnid))


def _label(labels: dict[str, str], folder: Path, name: str) -> str:
    stem = name.rsplit('.', 1)[0]
    if stem not in labels:
        raise ValueError(f'{folder / name} has no label; it is none of the originals')
    return labels[stem]


def flat_labels(root: Path) -> dict[str, str]:
    """Return the WNID of each picture of the flat validation folder, by its stem.

    Raises:
        MissingDataError: Neither Kaggle's list nor the development kit is there.
    """
    table = root / 'LOC_val_solution.csv'
    if table.is_file():
        lines = table.read_text('utf-8').splitlines()[1:]
        pairs = (line.split(',', 1) for line in lines if line)
        return {stem: boxes.split()[0] for stem, boxes in pairs}
    truth = root / KIT / 'ILSVRC2012_validation_ground_truth.txt'
    IMAGENET.require_file(truth)
    wnids = {number: wnid for wnid, number in synsets(root).items()}
    return {
        f'ILSVRC2012_val_{image:08d}': wnids[int(number)]
        for image, number in enumerate(truth.read_text().split(), start=1)
    }


def synsets(root: Path) -> dict[str, int]:
    """Return the ILSVRC2012_ID of each class by WNID, in order of the IDs.

    They come from synsets.json, else from meta.mat of the development kit.

    Raises:
        MissingDataError: Neither is there.
        ImportError: meta.mat must be read, and scipy is not installed.
    """
    path = IMAGENET.require_file(root / 'synsets.json', root / KIT / 'meta.mat')
    if path.suffix == '.json':
        rows = [
            (int(number), synset['WNID'], synset.get('num_children', 0))
            for number, synset in json.loads(path.read_text('utf-8')).items()
        ]
    else:
        rows = list(_read_meta(path))
    # Behind the 1000 classes stand their hypernyms, which have children.
    return {wnid: number for number, wnid, children in sorted(rows) if not children}


def _read_meta(path: Path) -> Iterator[tuple[int, str, int]]:
    try:
        io = importlib.import_module('scipy.io')
    except ImportError:
        raise ImportError(
            f'{path} is read with scipy, which is not installed: '
            "pip install 'vq[datasets]'; or put LOC_val_solution.csv or synsets.json "
            f'into {path.parents[2]}'
        ) from None
    for synset in np.atleast_1d(io.loadmat(path, squeeze_me=True)['synsets']):
        yield (
            int(synset['ILSVRC2012_ID']),
            str(synset['WNID']),
            int(synset['num_children']),
        )


def classes(root: Path) -> list[str]:
    """Return the WNIDs of all classes, sorted; the same whichever split is read.

    They are those of synsets.json, else of the class folders of both splits and the
    labels of a flat validation folder: a subset of training classes is thus numbered as
    in the validation split beside it.
    """
    if (root / 'synsets.json').is_file():
        return sorted(synsets(root))
    found: set[str] = set()
    for split in ('train', 'val'):
        if not (root / split).is_dir():
            continue
        folders, files = _entries(root / split)
        found |= set(folders)
        if len(found) == CLASSES:
            break
        if files and not folders:
            # Without labels that split cannot be read, and nothing can disagree.
            with contextlib.suppress(MissingDataError):
                found |= set(flat_labels(root).values())
    return sorted(found)
