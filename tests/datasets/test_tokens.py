"""Tokens come back as written, whatever the ranks, interruptions and broken images."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.datasets.test_base import Numbers
from tests.datasets.test_token_store import META
from tests.ranks import run_ranks
from vq.datasets import (
    MissingDataError,
    TokenDataset,
    TokenMeta,
    TokenWriter,
    tokens,
    val_loader,
)


def tokens_of(indices: Tensor, meta: TokenMeta = META) -> Tensor:
    """Return tokens, (b, *meta.shape), that follow from positions."""
    places = torch.arange(meta.grid[0] * meta.grid[1]).reshape(meta.grid)
    numbers = indices[:, None, None] * 1009 + places * 31
    if meta.crops > 1:
        numbers = numbers[:, None] + 17 * torch.arange(meta.crops)[:, None, None]
    parts = [(numbers + 7 * i) % size for i, size in enumerate(meta.token_sizes)]
    return torch.stack(parts, -1) if len(parts) > 1 else parts[0]


def write(
    root: Path,
    meta: TokenMeta = META,
    *,
    broken: tuple[int, ...] = (),
    stop: int | None = None,
) -> list[int]:
    """Write this rank's share of a store and return which images were read."""
    dataset = Numbers(meta.number, on_error='skip', broken=broken)
    with TokenWriter(root, meta=meta) as writer:
        loader = val_loader(
            dataset, batch_size=3, num_workers=0, block_size=meta.block_size,
            skip=writer.done(),
        )  # fmt: skip
        for batch in loader:
            if stop is not None and int(batch.index[-1]) >= stop:
                raise KeyboardInterrupt
            values = tokens_of(batch.index, meta)
            writer.add(batch.index, values, batch.category, batch.ids)
    return dataset.reads


def files(root: Path) -> dict[str, bytes]:
    """Return all files below a folder, by relative path."""
    paths = [path for path in root.rglob('*') if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def contents(dataset: TokenDataset) -> list[Any]:
    """Return all items as plain lists."""
    items = [dataset[index] for index in range(len(dataset))]
    return [(values.tolist(), category, id_) for values, category, id_ in items]


@pytest.mark.parametrize(
    ('token_sizes', 'crops'),
    [
        ((512,), 3),
        ((2**18,), 1),
        ((2**36,), 1),
        ((16, 8, 2), 3),
        ((1024,) * 8, 1),
    ],
)
def test_tokens_come_back(
    token_sizes: tuple[int, ...], crops: int, tmp_path: Path
) -> None:
    meta = dataclasses.replace(META, token_sizes=token_sizes, number=70, crops=crops)
    write(tmp_path, meta)
    dataset = TokenDataset(tmp_path, tokenizer=META.tokenizer)
    assert len(dataset) == 70
    expected = tokens_of(torch.arange(70), meta)
    for index in torch.randperm(70).tolist():
        values, category, id_ = dataset[index]
        assert torch.equal(values, expected[index])
        assert values.dtype == torch.int64
        assert (category, id_) == (10 * index, f'{index}.png')
    stored = np.load(tmp_path / 'shard_00000' / 'tokens.npy')
    assert stored.dtype == meta.dtype
    assert stored.shape == (4, *meta.shape)
    dataset.verify()


def _write_rank(root: str) -> list[int]:
    return write(Path(root))


def test_two_ranks_write_the_same_files_as_one(tmp_path: Path) -> None:
    one, two = tmp_path / 'one', tmp_path / 'two'
    write(one)
    reads = run_ranks(_write_rank, 2, str(two))
    assert sorted(reads[0] + reads[1]) == list(range(10))
    assert files(one) == files(two)


@pytest.mark.parametrize('stop', [0, 5, 9])
def test_interrupted_run_goes_on_after_its_finished_blocks(
    stop: int, tmp_path: Path
) -> None:
    whole, broken_off = tmp_path / 'whole', tmp_path / 'broken_off'
    write(whole)
    with pytest.raises(KeyboardInterrupt):
        write(broken_off, stop=stop)
    (broken_off / '.shard_00001.tmp').mkdir()  # as a kill within a write leaves it
    with pytest.raises(MissingDataError, match=r'lacks \d of 3 shards: .*shard_00002;'):
        TokenDataset(broken_off)
    assert write(broken_off) == list(range(stop // 4 * 4, 10))
    assert files(whole) == files(broken_off)
    assert not list(broken_off.glob('.*'))
    assert write(broken_off) == []


def test_unreadable_images_have_no_row(tmp_path: Path) -> None:
    write(tmp_path, broken=(1, 4, 5, 6, 7))  # 4 to 7 are the whole of block 1
    dataset = TokenDataset(tmp_path)
    ids = [id_ for _, _, id_ in contents(dataset)]
    assert ids == [f'{i}.png' for i in (0, 2, 3, 8, 9)]
    assert torch.equal(dataset[4][0], tokens_of(torch.tensor([9]))[0])
    assert np.load(tmp_path / 'shard_00001' / 'tokens.npy').shape == (0, 2, 3)
    dataset.verify()


def test_other_tokens_are_not_mixed_in(tmp_path: Path) -> None:
    write(tmp_path)
    other = dataclasses.replace(META, tokenizer='cd' * 32)
    with pytest.raises(ValueError, match='tokenizer is .*abab.*cdcd'):
        TokenWriter(tmp_path, meta=other)


@pytest.mark.parametrize(
    ('indices', 'change', 'message'),
    [
        ([3, 4], None, 'ascend within one block of 4'),
        ([2, 1], None, r'got \[2, 1\]'),
        ([1, 1], None, 'replace'),
        ([9, 10], None, 'below 10'),
        ([0, 1], 512, r'tokens must be in \[0, 512\), got .* to 512'),
        ([0, 1], -1, r'got -1 to'),
        ([0, 1, 2], (3, 3, 2), r'shape \(3, 2, 3\), got \(3, 3, 2\)'),
    ],
)
def test_bad_rows_are_shown(
    indices: list[int], change: Any, message: str, tmp_path: Path
) -> None:
    places = torch.tensor(indices)
    values = tokens_of(places)
    if isinstance(change, int):
        values[0, 0, 0] = change
    elif change is not None:
        values = values.reshape(change)
    writer = TokenWriter(tmp_path, meta=META)
    with pytest.raises(ValueError, match=message):
        writer.add(places, values, places, [str(i) for i in indices])


def _add(writer: TokenWriter, *indices: int) -> None:
    places = torch.tensor(indices)
    writer.add(places, tokens_of(places), places, [str(i) for i in indices])


def test_order_and_finished_blocks_are_checked_across_batches(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path, meta=META)
    _add(writer, 0, 1)
    with pytest.raises(ValueError, match=r'ascend.*\[1, 1, 2\]'):
        _add(writer, 1, 2)
    _add(writer, 2)  # and 3 was unreadable
    assert writer.done() == set()
    _add(writer, 4)
    assert writer.done() == {0}
    with pytest.raises(ValueError, match=r'block 0 is already .*skip=writer\.done'):
        _add(writer, 0)
    writer.flush()
    assert writer.done() == {0, 1}


def test_wrong_tokenizer_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=f'{META.tokenizer}.*{"cd" * 32} is wanted'):
        TokenDataset(tmp_path, tokenizer='cd' * 32)


def test_missing_store_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match='no token store .*--tokenize'):
        TokenDataset(tmp_path / 'gone')


def test_few_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = dataclasses.replace(META, block_size=1, number=30)
    write(tmp_path, meta)
    monkeypatch.setattr(tokens, 'OPEN_SHARDS', 4)
    before = len(os.listdir('/proc/self/fd'))
    dataset = TokenDataset(tmp_path)
    assert len(os.listdir('/proc/self/fd')) == before
    expected = tokens_of(torch.arange(30), meta)
    for index in [*range(30), *range(30)]:
        assert torch.equal(dataset[index][0], expected[index])
    assert len(os.listdir('/proc/self/fd')) <= before + 4


def test_workers_read_the_same(tmp_path: Path) -> None:
    write(tmp_path)
    dataset = TokenDataset(tmp_path)
    expected = contents(dataset)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=1, multiprocessing_context='forkserver'
    )
    assert [(t.tolist(), c, i) for t, c, i in loader] == expected


def _damage(root: Path, name: str, array: Any) -> None:
    np.save(root / 'shard_00001' / f'{name}.npy', array)


@pytest.mark.parametrize(
    ('name', 'array', 'message'),
    [
        ('tokens', np.full((4, 2, 3), 512, np.uint16), '512.*, got 512 to'),
        ('tokens', np.zeros((3, 2, 3), np.uint16), r'\(3, 2, 3\), not .*\(4, 2, 3\)'),
        ('tokens', np.zeros((4, 2, 3), np.int64), 'int64 .* not uint16'),
        ('categories', np.zeros(3, np.int64), 'differ in number'),
        ('indices', np.array([0, 5, 6, 7]), r'ascend within range\(4, 8\)'),
        ('indices', np.array([4, 6, 5, 7]), 'ascend'),
    ],
)
def test_verify_names_the_damaged_shard(
    name: str, array: Any, message: str, tmp_path: Path
) -> None:
    write(tmp_path)
    _damage(tmp_path, name, array)
    with pytest.raises(ValueError, match=f'shard_00001: .*{message}'):
        TokenDataset(tmp_path).verify()


@pytest.mark.parametrize('index', [-1, 10])
def test_index_out_of_range_is_shown(index: int, tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(IndexError, match=str(index)):
        TokenDataset(tmp_path)[index]
