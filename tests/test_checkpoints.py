"""Checkpoint folders: complete or absent, found damaged where they are."""

import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.log import Records
from vq import checkpoints
from vq.checkpoints import Checkpoint, CheckpointError, folders

WEIGHTS = {'model': {'a': torch.arange(4.0), 'b': torch.tensor(3)}}
STATES = {'optimizers': [1, {'x': torch.ones(2)}]}


def write(folder: Path, value: float = 0.0) -> None:
    """Write a small checkpoint whose weights hold `value`."""
    weights = {'model': {'a': torch.full((4,), value), 'b': torch.tensor(3)}}
    checkpoints.write(folder, weights=weights, states=STATES, meta=dict(iteration=7))


def listing(root: Path) -> dict[str, bytes]:
    """Return all files below `root`, hidden ones too, with their bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_what_is_written_is_read_back_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / 'deep' / 'iter_7'
    checkpoints.write(folder, weights=WEIGHTS, states=STATES, meta=dict(iteration=7))
    checkpoint = Checkpoint(folder)
    assert checkpoints.state_hash(checkpoint.read('model')) == checkpoints.state_hash(
        WEIGHTS['model']
    )
    assert str(checkpoint.read('optimizers')) == str(STATES['optimizers'])
    tensors = checkpoints.read_file(folder / 'model.safetensors')
    assert checkpoints.state_hash(tensors) == checkpoints.state_hash(WEIGHTS['model'])
    assert checkpoint.meta['iteration'] == 7
    assert 'model' in checkpoint and 'ema' not in checkpoint
    for path in folder.glob('*.pth'):
        torch.load(path, weights_only=True)


def test_tensors_that_share_memory_are_written(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    state = {'one': shared, 'two': shared[:3], 'three': shared.reshape(2, 3).T}
    checkpoints.write(tmp_path / 'iter_1', weights={'model': state}, states={}, meta={})
    for suffix in ('pth', 'safetensors'):
        read = checkpoints.read_file(tmp_path / 'iter_1' / f'model.{suffix}')
        assert checkpoints.state_hash(read) == checkpoints.state_hash(state)


class Failing:
    """Stands in for a function, and raises at the n-th call."""

    def __init__(self, function: Callable[..., Any], n: int) -> None:
        self.function, self.left = function, n

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, 'No space left on device')
        return self.function(*args, **kwargs)


STEPS: list[tuple[Any, str]] = [
    (torch, 'save'),
    (os, 'fsync'),
    (Path, 'rename'),
    (Path, 'replace'),
    (Path, 'mkdir'),
    (Path, 'write_text'),
]


@pytest.mark.parametrize('older', [False, True])
@pytest.mark.parametrize(('owner', 'name'), STEPS, ids=[name for _, name in STEPS])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, older: bool
) -> None:
    folder, function = tmp_path / 'iter_7', getattr(owner, name)
    if older:
        write(folder, 1.0)
    before = listing(tmp_path)
    for n in range(1, 20):
        failing = Failing(function, n)
        # As a plain function, so that methods of Path still get their self.
        monkeypatch.setattr(owner, name, lambda *a, f=failing, **k: f(*a, **k))
        try:
            write(folder, 2.0)
        except CheckpointError as error:
            assert 'No space left' in str(error) and str(folder) in str(error)
            assert listing(tmp_path) == before
            assert list(tmp_path.iterdir()) == [folder] * older
        else:
            assert n > 1, 'the failing call was never reached'
            break
        finally:
            monkeypatch.setattr(owner, name, function)
    assert Checkpoint(folder).read('model')['a'][0] == 2


@pytest.mark.parametrize('writer', ['pth', 'safetensors'])
def test_writers_real_errors_are_told_as_ours(tmp_path: Path, writer: str) -> None:
    folder, big = tmp_path / 'iter_1', {'a': torch.zeros(3000)}
    reason = _real_error(tmp_path, writer, big)
    assert reason.startswith(f'{folder} was not written: ')
    assert not list(tmp_path.iterdir())


def _real_error(root: Path, writer: str, state: dict[str, Tensor]) -> str:
    """Write under a limit of the system's on the size of files; return the message."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        if writer == 'safetensors':
            patch.setattr(torch, 'save', lambda value, path: path.write_bytes(b''))
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
        try:
            checkpoints.write(root / 'iter_1', weights={'m': state}, states={}, meta={})
        except CheckpointError as error:
            return str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return 'nothing was raised'


def test_json_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'x.json'
    checkpoints.write_json(path, [1])
    monkeypatch.setattr(os, 'fsync', Failing(os.fsync, 1))
    with pytest.raises(OSError, match='No space'):
        checkpoints.write_json(path, [2])
    assert listing(tmp_path) == {'x.json': b'[\n  1\n]\n'}


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARM: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    'truncated': ('model.pth', lambda p: os.truncate(p, 100), 'has 100 bytes, not'),
    'flipped': ('model.safetensors', flip, 'SHA-256'),
    'flipped state': ('optimizers.pth', flip, 'SHA-256'),
    'missing file': ('model.pth', Path.unlink, 'is missing'),
    'missing meta': ('meta.json', Path.unlink, 'is missing'),
    'torn meta': ('meta.json', lambda p: os.truncate(p, 20), 'cannot be read'),
    'empty meta': ('meta.json', lambda p: os.truncate(p, 0), 'cannot be read'),
    'list meta': ('meta.json', lambda p: p.write_text('[]'), 'cannot be read'),
    'other meta': (
        'meta.json',
        lambda p: p.write_text('{"files": {"model.pth": 3}}'),
        'cannot be read',
    ),
}


@pytest.mark.parametrize(('name', 'harm', 'words'), HARM.values(), ids=HARM)
def test_damage_is_found_and_the_good_one_named(
    tmp_path: Path,
    log: Records,
    name: str,
    harm: Callable[[Path], Any],
    words: str,
) -> None:
    good, bad = tmp_path / 'iter_9', tmp_path / 'iter_10'
    for folder in (tmp_path / 'iter_8', good, bad):
        write(folder)
    assert checkpoints.damage(bad) is None
    harm(bad / name)
    problem = checkpoints.damage(bad)
    assert problem is not None and problem.startswith(str(bad / name))
    assert words in problem
    assert checkpoints.newest_good(tmp_path) == good
    assert log.warnings == [f'damaged checkpoint passed over: {problem}']
    with pytest.raises(CheckpointError, match=f'the newest good one is {good}'):
        Checkpoint(bad)


def test_without_a_good_one_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='none beside .*name the file'):
        Checkpoint(tmp_path / 'iter_3')
    assert checkpoints.newest_good(tmp_path / 'nowhere') is None


def test_checkpoints_are_listed_by_number(tmp_path: Path) -> None:
    for name in ('iter_10', 'iter_9', 'iter_x', '.iter_1.writing', 'iter_1_old'):
        (tmp_path / name).mkdir()
    (tmp_path / 'iter_11').symlink_to('iter_9')
    names = [path.name for path in checkpoints.list_checkpoints(tmp_path)]
    assert names == ['iter_9', 'iter_10']


def test_latest_is_a_relative_link_that_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / 'checkpoints'
    for number in (1, 2):
        write(root / f'iter_{number}')
        checkpoints.link_latest(root / f'iter_{number}')
        assert os.readlink(root / 'latest') == f'iter_{number}'
    root.rename(tmp_path / 'moved')
    assert Checkpoint(tmp_path / 'moved' / 'latest').meta['iteration'] == 7
    monkeypatch.setattr(os, 'symlink', Failing(os.symlink, 1))
    with pytest.raises(CheckpointError, match='not linked as latest: .*No space'):
        checkpoints.link_latest(tmp_path / 'moved' / 'iter_1')


def test_clean_removes_what_the_killed_left_and_puts_back(tmp_path: Path) -> None:
    write(tmp_path / 'iter_1', 1.0)
    write(tmp_path / 'iter_2', 2.0)
    (tmp_path / 'iter_2').rename(tmp_path / '.iter_2.old')  # killed between renames
    for name in ('.iter_1.old', '.iter_2.writing', '.iter_3.removing'):
        (tmp_path / name).mkdir()
    checkpoints.clean(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['iter_1', 'iter_2']
    assert Checkpoint(tmp_path / 'iter_2').read('model')['a'][0] == 2


def test_removing_hides_the_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / 'iter_1')
    seen = []
    rmtree = folders.shutil.rmtree
    monkeypatch.setattr(
        folders.shutil,
        'rmtree',
        lambda path: (
            seen.extend(checkpoints.list_checkpoints(tmp_path)),
            rmtree(path),
        ),
    )
    checkpoints.remove(tmp_path / 'iter_1')
    assert (seen, list(tmp_path.iterdir())) == ([], [])


def test_meta_lists_each_file_as_sha256sum_sees_it(tmp_path: Path) -> None:
    write(tmp_path / 'iter_1')
    files = json.loads((tmp_path / 'iter_1' / 'meta.json').read_text())['files']
    names = sorted(files)
    done = subprocess.run(
        ['sha256sum', *names], cwd=tmp_path / 'iter_1', capture_output=True, text=True
    )
    expected = ''.join(f'{files[name]["sha256"]}  {name}\n' for name in names)
    assert done.stdout == expected
    assert names == ['model.pth', 'model.safetensors', 'optimizers.pth']
