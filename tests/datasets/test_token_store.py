"""The store's description and its files: complete or absent."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from vq.datasets import TokenMeta, token_store

META = TokenMeta(
    token_sizes=(512,),
    grid=(2, 3),
    block_size=4,
    number=10,
    dataset='data/digits/val',
    transforms=[dict(type='RandomResizedCrop', size=32, scale=(0.8, 1.0))],
    tokenizer='ab' * 32,
)


@pytest.mark.parametrize(
    ('token_sizes', 'dtype'),
    [
        ((2,), 'uint16'),
        ((65536,), 'uint16'),
        ((65537,), 'uint32'),
        ((2**18,), 'uint32'),
        ((2**32,), 'uint32'),
        ((2**36,), 'uint64'),
        ((1024,) * 8, 'uint16'),
        ((64, 2**18), 'uint32'),
    ],
)
def test_dtype_is_the_smallest_that_holds_all(
    token_sizes: tuple[int, ...], dtype: str
) -> None:
    meta = dataclasses.replace(META, token_sizes=token_sizes)
    assert meta.dtype == np.dtype(dtype)
    assert np.iinfo(meta.dtype).max >= max(token_sizes) - 1


@pytest.mark.parametrize(
    ('token_sizes', 'size', 'shape'),
    [((512,), 512, (2, 3)), ((1024,) * 8, 2**80, (2, 3, 8))],
)
@pytest.mark.parametrize('crops', [1, 10])
def test_sub_tokens_are_the_last_axis(
    token_sizes: tuple[int, ...], size: int, shape: tuple[int, ...], crops: int
) -> None:
    meta = dataclasses.replace(META, token_sizes=token_sizes, crops=crops)
    several = (10,) if crops > 1 else ()
    assert (meta.codebook_size, meta.shape) == (size, (*several, *shape))


@pytest.mark.parametrize(
    ('token', 'message'),
    [
        ((3, 6), None),
        ((4, 0), r'sub-tokens 0 must be in \[0, 4\), got 0 to 4'),
        ((0, 7), r'sub-tokens 1 must be in \[0, 7\), got 0 to 7'),
        ((0, -1), 'sub-tokens 1 .* got -1 to 0'),
    ],
)
def test_each_sub_token_has_its_own_range(
    token: tuple[int, int], message: str | None
) -> None:
    meta = dataclasses.replace(META, token_sizes=(4, 7))
    tokens = np.zeros((5, 2, 3, 2), np.int64)
    tokens[3, 1, 2] = token
    problem = meta.out_of_range(tokens)
    assert problem is None if message is None else re.match(message, problem or '')


def test_blocks_cover_the_data_set() -> None:
    ranges = [META.block_range(block) for block in range(META.blocks)]
    assert [list(r) for r in ranges] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_meta_comes_back_and_agrees_with_itself(tmp_path: Path) -> None:
    token_store.write_meta(tmp_path, META)
    again = TokenMeta.load(tmp_path)
    assert (again.grid, again.token_sizes) == ((2, 3), (512,))
    META.check_same(again, tmp_path)  # tuples in transforms have become lists
    again.check_same(META, tmp_path)
    assert os.listdir(tmp_path) == ['meta.json']


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('token_sizes', [256]),
        ('token_sizes', [512, 2]),
        ('grid', (3, 2)),
        ('block_size', 5),
        ('number', 11),
        ('dataset', 'cats'),
        ('transforms', []),
        ('tokenizer', 'cd' * 32),
        ('version', '0.0.0'),
        ('crops', 10),
    ],
)
def test_any_difference_is_named(field: str, value: object, tmp_path: Path) -> None:
    other = dataclasses.replace(META, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f'{field} is .* there and .* here') as info:
        META.check_same(other, tmp_path)
    text = str(info.value)
    assert str(other.to_json()[field]) in text
    assert str(META.to_json()[field]) in text
    assert 'another folder, or delete' in text


def test_meta_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'meta.json').write_text('{"grid": [1, 1], "colour": 3}')
    with pytest.raises(ValueError, match='another version.*colour'):
        TokenMeta.load(tmp_path)


def test_meta_from_before_sub_tokens_is_refused(tmp_path: Path) -> None:
    fields = META.to_json()
    fields['codebook_size'] = fields.pop('token_sizes')[0]
    (tmp_path / 'meta.json').write_text(json.dumps(fields))
    with pytest.raises(ValueError, match='another version.*codebook_size.*again'):
        TokenMeta.load(tmp_path)


def test_meta_from_before_crops_is_of_one_crop(tmp_path: Path) -> None:
    fields = META.to_json()
    del fields['crops']
    (tmp_path / 'meta.json').write_text(json.dumps(fields))
    META.check_same(TokenMeta.load(tmp_path), tmp_path)


@pytest.mark.parametrize('sizes', [(), (4, 0)])
def test_each_sub_token_has_a_vocabulary(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='token_sizes must be >= 1, got'):
        dataclasses.replace(META, token_sizes=sizes)


def test_bad_numbers_are_shown() -> None:
    with pytest.raises(ValueError, match='block_size must be >= 1, got 0'):
        dataclasses.replace(META, block_size=0)


def test_shard_is_absent_until_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {'tokens': np.zeros((1, 2, 3), np.uint16)}

    def no_space(*_: object) -> None:
        raise OSError('no space left')

    with monkeypatch.context() as patch:
        patch.setattr(token_store.json, 'dump', no_space)
        with pytest.raises(OSError, match='no space'):
            token_store.write_shard(tmp_path, 1, arrays, ['a'])
    assert token_store.find_shards(tmp_path) == set()
    assert os.listdir(tmp_path) == ['.shard_00001.tmp']
    token_store.write_shard(tmp_path, 1, arrays, ['a'])
    assert token_store.find_shards(tmp_path) == {1}
    assert sorted(os.listdir(tmp_path / 'shard_00001')) == ['ids.json', 'tokens.npy']


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / '.shard_00003.tmp').mkdir()
    (tmp_path / '.meta.json.tmp').touch()
    (tmp_path / 'shard_00001').mkdir()
    (tmp_path / 'notes.tmp').touch()
    token_store.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ['notes.tmp', 'shard_00001']


def test_more_than_100000_shards_are_found(tmp_path: Path) -> None:
    for block in (7, 123456):
        token_store.shard_path(tmp_path, block).mkdir()
    assert token_store.find_shards(tmp_path) == {7, 123456}
