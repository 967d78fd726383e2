"""LlamaGen's files say what the token store says, and what is wrong is named."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.datasets.test_token_store import META
from tests.datasets.test_tokens import tokens_of, write
from tests.ranks import run_ranks
from vq.datasets import (
    LlamaGenCodesDataset,
    MissingDataError,
    TokenDataset,
    TokenOrigin,
    TokenSampleDataset,
    Unreadable,
)
from vq.datasets.llamagen_codes import write_codes
from vq.types import SampleKey

CROPS = dataclasses.replace(META, crops=10, grid=(3, 3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder of LlamaGen's files, of a store beside it."""
    write(tmp_path / 'tokens', CROPS)
    store = TokenDataset(tmp_path / 'tokens')
    write_codes(store, tmp_path / 'npy', image_size=24)
    return tmp_path / 'npy'


def names(folder: Path) -> dict[str, list[str]]:
    return {path.name: sorted(os.listdir(path)) for path in folder.glob('image*')}


def test_files_are_those_of_llamagen(root: Path) -> None:
    expected = tokens_of(torch.arange(10), CROPS)
    files = sorted(f'{index}.npy' for index in range(10))
    assert names(root) == {'imagenet24_codes': files, 'imagenet24_labels': files}
    for index in range(10):
        codes = np.load(root / f'imagenet24_codes/{index}.npy')
        label = np.load(root / f'imagenet24_labels/{index}.npy')
        assert (codes.shape, codes.dtype) == ((1, 10, 9), np.int64)
        assert np.array_equal(codes[0], expected[index].flatten(1))
        assert (label.tolist(), label.dtype) == ([10 * index], np.int64)


def test_they_come_back_as_the_store_does(root: Path) -> None:
    store = TokenSampleDataset(root=str(root.parent / 'tokens'))
    dataset = LlamaGenCodesDataset(root=str(root))
    assert len(dataset) == len(store) == 10
    for key in [SampleKey(i, epoch, 5) for i in range(10) for epoch in range(2)]:
        ours, theirs = store[key], dataset[key]
        assert not isinstance(ours, Unreadable) and not isinstance(theirs, Unreadable)
        assert ours.tokens is not None and theirs.tokens is not None
        assert torch.equal(ours.tokens, theirs.tokens)
        assert (ours.category, theirs.id) == (theirs.category, str(key.index))
    assert dataset.token_origins == [TokenOrigin.of(root, CROPS)]
    (root / 'meta.json').unlink()  # as LlamaGen's own are
    others = LlamaGenCodesDataset(root=str(root), crop=3, codebook_size=600)
    wanted = dict(grid=(3, 3), token_sizes=(600,), tokenizer=None)
    assert others.token_origins == [TokenOrigin(root=root, **wanted)]  # type: ignore[arg-type]


def write_on_rank(root: str) -> None:
    write_codes(TokenDataset(f'{root}/tokens'), Path(root, 'two'), image_size=24)


def test_two_ranks_write_the_same_and_what_is_missing(root: Path) -> None:
    run_ranks(write_on_rank, 2, str(root.parent))
    two, changed = root.parent / 'two', root / 'imagenet24_codes'
    assert names(two) == names(root)
    written = {path: path.stat().st_mtime_ns for path in changed.iterdir()}
    (changed / '4.npy').unlink()
    write_codes(TokenDataset(root.parent / 'tokens'), root, image_size=24)
    for path, time in written.items():
        assert path.read_bytes() == (two / changed.name / path.name).read_bytes()
        assert (path.stat().st_mtime_ns == time) == (path.name != '4.npy')


def test_files_of_a_killed_run_are_no_data_set(root: Path) -> None:
    class Killed(TokenDataset):
        def row(self, index: int) -> Any:
            if index == 4:
                raise KeyboardInterrupt
            return super().row(index)

    store = Killed(root.parent / 'tokens')
    with pytest.raises(KeyboardInterrupt):
        write_codes(store, root.parent / 'part', image_size=24)
    with pytest.raises(MissingDataError, match='0.npy is missing'):
        LlamaGenCodesDataset(root=str(root.parent / 'part'))


def test_other_tokens_are_not_mixed_in(root: Path) -> None:
    other = dataclasses.replace(CROPS, tokenizer='cd' * 32)
    write(root.parent / 'other', other)
    with pytest.raises(ValueError, match=f'{root} holds other tokens: tokenizer is'):
        write_codes(TokenDataset(root.parent / 'other'), root, image_size=24)
    write(root.parent / 'sub', dataclasses.replace(META, token_sizes=(8, 8)))
    with pytest.raises(ValueError, match=r'one token a position.*\(8, 8\).*--npy'):
        write_codes(TokenDataset(root.parent / 'sub'), root, image_size=24)


@pytest.mark.parametrize('kind', ['codes', 'labels'])
def test_a_missing_file_is_named(root: Path, kind: str) -> None:
    (root / f'imagenet24_{kind}' / '7.npy').unlink()
    message = f'imagenet24_{kind}/7.npy is missing, one of 1 of the 10 files'
    with pytest.raises(MissingDataError, match=message):
        LlamaGenCodesDataset(root=str(root))


@pytest.mark.parametrize(
    ('name', 'values', 'message'),
    [
        ('codes/2', np.zeros((1, 9, 9), int), r'2.npy is \(1, 9, 9\), 0.npy is'),
        ('codes/2', np.full((1, 10, 9), 512), 'from 512 to 512, the codebook has 512'),
        ('codes/2', np.zeros((1, 10, 9)), 'damaged: integers .* found float64'),
        ('codes/2', None, 'codes/2.npy is damaged: .*write it again'),
        ('labels/2', np.zeros((1, 1), int), r'labels/2.npy .* \(1,\) belong there'),
        ('labels/2', None, 'labels/2.npy is damaged'),
    ],
)
def test_a_damaged_file_is_named(
    root: Path, name: str, values: np.ndarray | None, message: str
) -> None:
    path = root / f'imagenet24_{name}.npy'
    if values is None:
        path.write_bytes(path.read_bytes()[:-1])
    else:
        np.save(path, values)
    dataset = LlamaGenCodesDataset(root=str(root))
    with pytest.raises(ValueError, match=message):
        _ = dataset[2]


def test_folders_that_are_not_llamagens_are_told(root: Path) -> None:
    with pytest.raises(MissingDataError, match="not LlamaGen's two folders.*--npy"):
        LlamaGenCodesDataset(root=str(root.parent))
    np.save(root / 'imagenet24_codes/0.npy', np.zeros((1, 10, 8), int))
    with pytest.raises(ValueError, match='0.npy has 8 tokens a crop, which is no'):
        LlamaGenCodesDataset(root=str(root))
    (root / 'imagenet48_codes').mkdir()
    with pytest.raises(ValueError, match='holds imagenet24_codes, imagenet48_codes'):
        LlamaGenCodesDataset(root=str(root))
