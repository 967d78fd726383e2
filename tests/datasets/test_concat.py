"""Data sets one behind the other are what a loop over them gives."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.datasets.miniatures import categories, ids
from tests.datasets.pictures import save_folder
from vq.datasets import ConcatDataset, FolderDataset, MissingDataError, Unreadable
from vq.types import Sample


def _folder(root: Path, names: list[str]) -> dict[str, Any]:
    save_folder(root, names)
    return dict(type='FolderDataset', data_root=str(root), transforms=[])


def test_it_is_a_loop_over_the_parts(tmp_path: Path) -> None:
    configs = dict(
        flat=_folder(tmp_path / 'flat', ['b.png', 'a.png']),
        pets=_folder(tmp_path / 'pets', ['cat/1.png', 'dog/1.png', 'dog/2.png']),
        birds=_folder(tmp_path / 'birds', ['owl/1.png']),
    )
    joined = ConcatDataset(datasets=configs)
    parts = {
        name: FolderDataset(data_root=config['data_root'], transforms=[])
        for name, config in configs.items()
    }
    rows = [(n, p, i) for n, p in parts.items() for i in range(len(p))]
    assert ids(joined) == [f'{name}:{part.id(i)}' for name, part, i in rows]
    for index, (_, part, i) in enumerate(rows):
        assert torch.equal(joined.read(index), part.read(i))
    assert joined.categories == ['flat', 'pets:cat', 'pets:dog', 'birds:owl']
    assert categories(joined) == [0, 0, 1, 2, 2, 3]


def test_no_classes_stay_none(tmp_path: Path) -> None:
    names = ['1.png', '2.png']
    configs = {n: _folder(tmp_path / n, names) for n in ('a', 'b')}
    joined = ConcatDataset(datasets=configs)
    assert (categories(joined), joined.categories) == ([0, 0, 0, 0], [])


def test_transforms_and_errors_are_those_of_the_whole(tmp_path: Path) -> None:
    part = _folder(tmp_path, ['1.png', '2.png'])
    crop = [dict(type='CenterCrop', size=4)]
    joined = ConcatDataset(datasets=dict(a=part), transforms=crop, on_error='skip')
    sample = joined[0]
    assert isinstance(sample, Sample)
    assert torch.equal(sample.original_image, joined.read(0)[:, 2:6, 2:6])
    (tmp_path / '2.png').write_bytes(b'')
    assert joined[1] == Unreadable(['a:2.png: the file is empty'])
    with pytest.raises(ValueError, match='a has transforms of its own'):
        ConcatDataset(datasets=dict(a={**part, 'transforms': crop}))


def test_indices_end(tmp_path: Path) -> None:
    joined = ConcatDataset(datasets=dict(a=_folder(tmp_path, ['1.png'])))
    for index in (-1, 1):
        with pytest.raises(IndexError, match=rf'index {index} is not in \[0, 1\)'):
            joined.id(index)


def test_parts_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one'):
        ConcatDataset(datasets={})
    gone = dict(type='FFHQDataset', split='val', data_root=str(tmp_path / 'gone'))
    with pytest.raises(MissingDataError, match='FFHQ is expected as'):
        ConcatDataset(datasets=dict(ffhq=gone))
