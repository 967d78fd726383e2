"""Miniatures of the data sets of the field, each in its own on-disk format."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, load_dataset
from scipy.io import savemat

from tests.datasets.pictures import encode, noise, save_folder
from vq.datasets.imagenet_files import KIT

# WNIDs by ILSVRC2012_ID, whose order is not the alphabet's; 4 is a hypernym.
SYNSETS = {1: 'n02000000', 2: 'n01000000', 3: 'n03000000', 4: 'n00001740'}
LEAVES = [SYNSETS[number] for number in (1, 2, 3)]
VAL_WNIDS = [LEAVES[i] for i in (2, 0, 1, 0)]  # of validation images 1, 2, 3, 4
VAL_NAMES = [f'ILSVRC2012_val_{i:08d}.JPEG' for i in (1, 2, 3, 4)]


def imagenet_folders(root: Path) -> None:
    """Write the original names below class folders, both splits."""
    for wnid in LEAVES:
        save_folder(root / 'train' / wnid, [f'{wnid}_{n}.JPEG' for n in (18, 2, 117)])
    for wnid, name in zip(VAL_WNIDS, VAL_NAMES, strict=True):
        save_folder(root / 'val' / wnid, [name])


def imagenet_flat_val(root: Path) -> None:
    """Write the validation images into one folder."""
    save_folder(root / 'val', VAL_NAMES)


def imagenet_solution(root: Path) -> None:
    """Write Kaggle's list of labels, not in order."""
    rows = [
        f'{name.removesuffix(".JPEG")},{wnid} 1 2 3 4 {wnid} 5 6 7 8 '
        for wnid, name in zip(VAL_WNIDS, VAL_NAMES, strict=True)
    ]
    lines = ['ImageId,PredictionString', *reversed(rows)]
    (root / 'LOC_val_solution.csv').write_text('\n'.join(lines) + '\n')


def imagenet_kit(root: Path) -> None:
    """Write the development kit: IDs of the validation images, and meta.mat."""
    kit = root / KIT
    kit.mkdir(parents=True)
    numbers = {wnid: number for number, wnid in SYNSETS.items()}
    truth = ''.join(f'{numbers[wnid]}\n' for wnid in VAL_WNIDS)
    (kit / 'ILSVRC2012_validation_ground_truth.txt').write_text(truth)
    fields = [('ILSVRC2012_ID', 'O'), ('WNID', 'O'), ('num_children', 'O')]
    rows = [(float(n), wnid, 2.0 * (n == 4)) for n, wnid in SYNSETS.items()]
    savemat(kit / 'meta.mat', dict(synsets=np.array(rows, dtype=fields)))


def imagenet_synsets(root: Path) -> None:
    """Write the kit's classes as JSON."""
    table = {
        str(number): dict(WNID=wnid, words='a, {b}', num_children=2 * (number == 4))
        for number, wnid in SYNSETS.items()
    }
    (root / 'synsets.json').write_text(json.dumps(table))


def imagenet_annotated(root: Path, *, key: str = 'name') -> None:
    """Write shortened names, listed as JSON; classes of train come mixed."""
    root.mkdir(exist_ok=True)
    imagenet_synsets(root)
    lists: dict[str, list[tuple[str, int]]] = dict(
        train=[(f'{n}.JPEG', i) for n in (18, 2, 117) for i in (3, 1, 2)],
        val=[(f'{i}.JPEG', LEAVES.index(w) + 1) for i, w in enumerate(VAL_WNIDS, 1)],
    )
    (root / 'annotations').mkdir()
    for split, rows in lists.items():
        for name, number in rows:
            save_folder(root / split / SYNSETS[number], [name])
        text = json.dumps([{key: name, 'synset_id': number} for name, number in rows])
        (root / 'annotations' / f'{split}.json').write_text(text)


def laion(root: Path, *, number: int = 9, header: bool = False) -> list[str]:
    """Write pictures and their list; one caption holds tabs and a line separator."""
    names = [f'{(7 * i) % number:06d}.jpg' for i in range(number)]
    save_folder(root / 'v2_6.5plus', names)
    rows = [
        f'{n}\ta\tcaption\u2028of {n}\t6.{i}\thttps://x/{i}'
        for i, n in enumerate(names)
    ]
    lines = ['filename\tcaption\tscore\turl', *rows] if header else rows
    (root / 'annotations').mkdir()
    text = '\n'.join(lines) + '\n'
    (root / 'annotations' / 'v2_6.5plus.tsv').write_text(text, 'utf-8')
    return names


def sa_med2d(root: Path, *, number: int = 11) -> list[str]:
    """Write pictures and the masks' JSON, keyed by picture."""
    names = [f'images/ct_00--A--Case_{i}--x_{i * 3 % 7:04d}.png' for i in range(number)]
    save_folder(root, names)
    table = {
        name: {f'masks/{i}.png': {'label': 'a "{[', 'box': [[1, [2]], 3]}}
        for i, name in enumerate(names)
    }
    (root / 'annotations').mkdir()
    path = root / 'annotations' / 'SAMed2D_v1.json'
    path.write_text(json.dumps(table, indent=1))
    return names


def coco(root: Path, *, split: str = 'val') -> list[str]:
    """Write pictures and their annotations; the list is not sorted."""
    names = [f'COCO_{split}2014_{i:012d}.jpg' for i in (42, 7, 9)]
    save_folder(root / f'{split}2014', names)
    table = dict(
        info=dict(description='COCO {2014}', year=2014),
        images=[dict(license=1, file_name=name, id=i) for i, name in enumerate(names)],
        annotations=[dict(segmentation=[[1.5, 2.5]], file_name='not an image')],
    )
    path = root / 'annotations' / f'instances_{split}2014.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(table))
    return names


def satin_rows(number: int, *, seed: int) -> Dataset:
    """Return rows such as a sub-set of SATIN holds: pictures as bytes, and labels."""
    from PIL import Image as Pillow

    pictures = [
        encode(Pillow.fromarray(noise(6, 6, seed=seed + i)), 'PNG')
        for i in range(number)
    ]
    return Dataset.from_dict(
        dict(
            image=[dict(bytes=data, path=None) for data in pictures],
            label=[i % 2 for i in range(number)],
        ),
        features=Features(image=Image(), label=ClassLabel(names=['field', 'town'])),
    )


def satin_saved(root: Path, name: str, rows: Dataset) -> None:
    """Write a sub-set as `save_to_disk` does."""
    rows.save_to_disk(str(root / name), num_shards=2)


def satin_parquet(root: Path, name: str, rows: Dataset) -> None:
    """Write a sub-set as Parquet files, as its page holds them."""
    folder = root / name / 'data'
    folder.mkdir(parents=True)
    for shard in range(2):
        path = folder / f'train-{shard:05d}-of-00002.parquet'
        rows.shard(2, shard, contiguous=True).to_parquet(str(path))


def satin_cached(root: Path, name: str, rows: Dataset) -> None:
    """Let the package cache a sub-set, as after a download, under its owner's name."""
    source = root.parent / f'source_{name}'
    satin_parquet(source, name, rows)
    files = str(source / name / 'data' / '*.parquet')
    load_dataset('parquet', data_files=files, split='train', cache_dir=str(root))
    (root / 'parquet').rename(root / f'jonathan-roberts1___{name.lower()}')


SATIN_MAKERS: Mapping[str, Callable[[Path, str, Dataset], None]] = dict(
    saved=satin_saved, parquet=satin_parquet, cached=satin_cached
)


def ids(dataset: Any) -> list[str]:
    """Return all ids of a data set, in order."""
    return [dataset.id(index) for index in range(len(dataset))]


def categories(dataset: Any) -> Sequence[int]:
    """Return the categories of all pictures, in order."""
    return [dataset.category(index) for index in range(len(dataset))]
