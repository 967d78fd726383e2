"""Files of frozen parts: named by checkpoints, found by hash, and no more than that."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vq import checkpoints, paths
from vq.checkpoints import CheckpointError, FrozenPart, WeightFile, gather, state_hash
from vq.checkpoints.files import sha256
from vq.checkpoints.frozen import frozen_parts, named_by
from vq.checkpoints.weights import check_parts, part_hash

State = dict[str, Tensor]


def filled(keys: str, value: float) -> State:
    """Return a state dict of some keys, one number in each."""
    return {key: torch.tensor(float(value)) for key in keys.split()}


def values(state: State) -> dict[str, float]:
    """Return the numbers of such a state dict."""
    return {key: float(value) for key, value in state.items()}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the repository."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    return tmp_path


def saved(path: Path, keys: str, value: float) -> Path:
    """Write a file of weights."""
    torch.save(filled(keys, value), path)
    return path


def written(folder: Path, state: State, frozen: dict[str, FrozenPart]) -> Path:
    """Write a checkpoint with an average that is 1 more."""
    average = {key: value + 1 for key, value in state.items()}
    records = {name: part.to_json() for name, part in frozen.items()}
    checkpoints.write(
        folder,
        weights=dict(model=state, ema=average),
        states={},
        meta=dict(frozen=records),
    )
    return folder


def part(state: State, *files: Path) -> FrozenPart:
    """Describe a frozen part `t`."""
    found = tuple(WeightFile.of(file) for file in files)
    return FrozenPart(state=part_hash(state, 't'), files=found)


@pytest.fixture
def made(root: Path) -> tuple[Path, Path]:
    """A tokenizer's file, which has a decoder of its own, and a decoder's folder."""
    tokenizer = saved(root / 't.pth', 't.a t.b d.x teacher.y', 1)
    frozen = {'t': part(filled('t.a t.b', 1), tokenizer)}
    return tokenizer, written(root / 'iter_1', filled('d.x p.z', 2), frozen)


BOTH = {'t.a': 1, 't.b': 1, 'd.x': 2, 'p.z': 2}


@pytest.mark.parametrize('name', ['', 'model.pth', 'model.safetensors', 'ema.pth'])
def test_only_the_frozen_part_of_the_named_file_is_taken(
    made: tuple[Path, Path], name: str
) -> None:
    tokenizer, folder = made
    add = 1 if name == 'ema.pth' else 0
    expected = BOTH | {'d.x': 2 + add, 'p.z': 2 + add}
    for files in (
        [folder / name],
        [tokenizer, folder / name],
        [folder / name, tokenizer],
    ):
        found = gather(files)
        assert values(found.weights) == expected
        assert (
            found.origins['t.a'] == tokenizer and found.origins['d.x'].parent == folder
        )


def test_ema_is_that_of_the_decoder_alone(made: tuple[Path, Path], root: Path) -> None:
    model = saved(root / 'model.pth', 't.a t.b', 1)
    for files in ([made[1]], [model, made[1]], [made[1] / 'model.pth', made[0]]):
        found = gather(files, ema=True).weights
        assert values(found) == BOTH | {'d.x': 3, 'p.z': 3}


def test_given_parts_are_not_looked_for(made: tuple[Path, Path]) -> None:
    tokenizer, folder = made
    tokenizer.unlink()
    assert values(gather([folder], given=['t']).weights) == {'d.x': 2, 'p.z': 2}
    with pytest.raises(CheckpointError, match='which is not there; pass --load-model'):
        gather([folder])


@pytest.mark.parametrize(
    ('keys', 'frozen', 'expected'),
    [
        ('t.a d.x', [], {'t.a', 'd.x'}),
        ('t.a d.x', ['t'], {'t.a'}),
        ('p.z d.x', ['t'], {'p.z', 'd.x'}),
        ('t.a.v t.ab d.x', ['t.a'], {'t.a.v'}),
    ],
)
def test_what_brings_a_frozen_part_brings_nothing_else(
    root: Path, keys: str, frozen: list[str], expected: set[str]
) -> None:
    file = saved(root / 'x.pth', keys, 1)
    assert set(gather([file], frozen=frozen).weights) == expected


def test_a_checkpoint_of_the_same_frozen_parts_brings_all(
    made: tuple[Path, Path],
) -> None:
    assert values(gather([made[1]], frozen=['t']).weights) == BOTH
    # Where more is frozen, it is a source of that like any other file.
    found = gather([made[1]], frozen=['t', 'd']).weights
    assert values(found) == {'t.a': 1, 't.b': 1, 'd.x': 2}


def test_a_part_without_files_is_in_the_checkpoint(root: Path) -> None:
    state = filled('t.a d.x', 3)
    folder = written(root / 'iter_1', state, {'t': part(state)})
    assert values(gather([folder], frozen=['t']).weights) == {'t.a': 3, 'd.x': 3}


def test_the_named_file_may_be_such_a_checkpoint_itself(
    made: tuple[Path, Path], root: Path
) -> None:
    whole = {'t': part(filled('t.a t.b', 1), made[1] / 'model.safetensors')}
    second = written(root / 'iter_2', filled('q.s', 5), whole)
    assert values(gather([second]).weights) == {'t.a': 1, 't.b': 1, 'q.s': 5}


def test_files_are_named_relative_to_the_repository(root: Path) -> None:
    folder = root / 'iter_7'
    folder.mkdir()
    file = saved(folder / 'model.pth', 't.a', 1)
    (root / 'latest').symlink_to('iter_7')
    record = WeightFile.of(root / 'latest' / 'model.pth')
    assert record == WeightFile('iter_7/model.pth', sha256(file))
    saved(file, 't.a', 2)
    with pytest.raises(
        CheckpointError, match=f'{record.sha256}, which has the SHA-256'
    ):
        record.find('t', root)
    outside = paths.ROOT.parent / f'{root.name}.pth'
    saved(outside, 't.a', 1)
    assert WeightFile.of(outside).path == str(outside.resolve())


def test_an_exports_record_counts_too(root: Path) -> None:
    file = saved(root / 'm.safetensors', 't.a d.x', 1)
    assert named_by(file) == {}
    known = FrozenPart('hash')
    record: dict[str, Any] = dict(frozen={'t': known.to_json()})
    (root / 'm.safetensors.json').write_text(json.dumps(record))
    assert named_by(file) == {'t': known}
    (root / 'm.safetensors.json').write_text('[')
    assert named_by(file) == {}
    (root / 'm.safetensors.json').write_text('{"frozen": {"t": 1}}')
    with pytest.raises(CheckpointError, match=f'frozen parts beside {file} cannot be'):
        named_by(file)


def test_another_part_than_the_checkpoints_is_refused() -> None:
    state = filled('t.a d.x', 1)
    assert part_hash(state, 't') == state_hash({'a': torch.tensor(1.0)})
    check_parts(state, {'t': part(state), 'elsewhere': FrozenPart('x')})
    with pytest.raises(CheckpointError, match='frozen t is another one than that of'):
        check_parts(filled('t.a', 2), {'t': part(state)})


def test_frozen_parts_of_modules_within() -> None:
    model = nn.Module()
    model.inner = nn.Module()
    model.frozen_parts, model.inner.frozen_parts = ('a',), ('b', 'c.d')
    assert frozen_parts(model) == ['a', 'inner.b', 'inner.c.d']
