"""Weights of files and folders: merged, matched with a report, hashed, never run."""

import argparse
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vq import checkpoints
from vq.checkpoints import CheckpointError, LoadReport, read_weights, state_hash


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Compare two state dicts bit for bit."""
    return list(sorted(one)) == list(sorted(other)) and all(
        torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype
        for key in one
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a checkpoint folder with averaged weights."""
    weights = {'model': {'a': torch.ones(2)}, 'ema': {'a': torch.full((2,), 0.5)}}
    folder = tmp_path / 'checkpoints' / 'iter_3'
    checkpoints.write(folder, weights=weights, states={}, meta={})
    return folder


def test_later_files_win_whatever_their_kind(tmp_path: Path, folder: Path) -> None:
    one, two = tmp_path / 'one.pth', tmp_path / 'two.safetensors'
    torch.save({'a': torch.zeros(2), 'b': torch.zeros(3)}, one)
    save_file({'b': torch.ones(3), 'c': torch.ones(1)}, two)
    expected = {'a': torch.ones(2), 'b': torch.ones(3), 'c': torch.ones(1)}
    assert same(read_weights([one, two, folder]), expected)
    expected = {'a': torch.zeros(2), 'b': torch.zeros(3), 'c': torch.ones(1)}
    assert same(read_weights([folder, two, one]), expected)


@pytest.mark.parametrize('name', ['', 'model.pth', 'model.safetensors'])
def test_ema_takes_the_average(folder: Path, name: str) -> None:
    assert same(read_weights([folder / name], ema=True), {'a': torch.full((2,), 0.5)})
    assert same(read_weights([folder / name]), {'a': torch.ones(2)})


def test_a_folder_without_an_average_says_so(tmp_path: Path) -> None:
    folder = tmp_path / 'iter_1'
    checkpoints.write(folder, weights={'model': {}}, states={}, meta={})
    with pytest.raises(
        CheckpointError, match=f'{folder} holds no ema.pth.*leave --ema'
    ):
        read_weights([folder], ema=True)


class Trap:
    """Creates a file when it is unpickled carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


FOREIGN: dict[str, Callable[[Path, Path], Any]] = {
    'garbage.pth': lambda path, _: path.write_bytes(b'garbage' * 99),
    'garbage.safetensors': lambda path, _: path.write_bytes(b'garbage' * 99),
    'empty.pth': lambda path, _: path.write_bytes(b''),
    'trap.pth': lambda path, sprung: torch.save(Trap(sprung), path),
    'plain_pickle.pth': lambda path, sprung: path.write_bytes(
        pickle.dumps(Trap(sprung))
    ),
    'lightning.ckpt': lambda path, _: torch.save(
        {'state_dict': {'a': torch.zeros(1)}, 'hyper': argparse.Namespace(a=1)}, path
    ),
    'nested.pth': lambda path, _: torch.save(
        {'state_dict': {'a': torch.ones(1)}}, path
    ),
    'list.pth': lambda path, _: torch.save([torch.ones(1)], path),
}


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('name', FOREIGN)
def test_foreign_files_are_refused_in_one_line_and_not_run(
    tmp_path: Path, name: str
) -> None:
    path, sprung = tmp_path / name, tmp_path / 'sprung'
    FOREIGN[name](path, sprung)
    with pytest.raises(CheckpointError) as caught:
        read_weights([path])
    message = str(caught.value)
    assert message.startswith(f'{path} is ')
    assert '\n' not in message and 'weights_only' not in message
    assert not sprung.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        read_weights([tmp_path / 'nowhere.pth'])


def linear() -> nn.Sequential:
    """Return a model with the keys 0.weight, 0.bias, 1.weight, 1.bias."""
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def test_match_tells_what_fits_and_what_does_not() -> None:
    weights = {
        '0.weight': torch.ones(3, 2),
        '0.bias': torch.ones(4),
        '1.bias': torch.ones(1),
        'head.weight': torch.ones(2),
    }
    report, fitting = checkpoints.match(linear(), weights, strict=False)
    assert report == LoadReport(
        loaded=2,
        missing=['1.weight'],
        unexpected=['head.weight'],
        mismatched=['0.bias (4,) for (3,)'],
    )
    assert same(fitting, {k: weights[k] for k in ('0.weight', '1.bias')})
    assert str(report) == (
        'loaded 2, missing 1 (1.weight), unexpected 1 (head.weight), '
        'mismatched 1 (0.bias (4,) for (3,))'
    )
    with pytest.raises(CheckpointError, match=r'0.bias \(4,\) for \(3,\); 1.weight'):
        checkpoints.match(linear(), weights)


def test_match_strictly_takes_more_than_the_model_has() -> None:
    model = linear()
    weights = model.state_dict() | {'discriminator.x': torch.ones(1)}
    report, fitting = checkpoints.match(model, weights)
    assert same(fitting, model.state_dict())
    assert (report.loaded, report.unexpected) == (4, ['discriminator.x'])


@pytest.mark.parametrize('strict', [False, True])
def test_weights_of_which_nothing_fits_are_refused(strict: bool) -> None:
    with pytest.raises(CheckpointError, match='do not fit the model: loaded 0'):
        checkpoints.match(linear(), {'x': torch.ones(1)}, strict=strict)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'0.bias': None}, r"1 keys are missing \['0.bias'\]"),
        ({'x': torch.ones(1)}, r"1 unexpected \['x'\]"),
        ({'0.bias': torch.ones(4)}, r"1 of another shape \['0.bias'\]"),
    ],
)
def test_a_resume_takes_exactly_the_models_keys(
    change: dict[str, Tensor | None], words: str
) -> None:
    model = linear()
    checkpoints.check_fit(model, model.state_dict(), Path('iter_1'))
    weights = {k: v for k, v in (model.state_dict() | change).items() if v is not None}
    with pytest.raises(CheckpointError, match=f'iter_1 is of another model.*{words}'):
        checkpoints.check_fit(model, weights, Path('iter_1'))


def test_hash_equals_one_written_out_by_hand() -> None:
    state = {'b': torch.tensor([1, 2], dtype=torch.int16), 'a': torch.tensor(0.5)}
    text = b'a torch.float32 ()\n\x00\x00\x00?b torch.int16 (2,)\n\x01\x00\x02\x00'
    assert state_hash(state) == hashlib.sha256(text).hexdigest()


def test_hash_sees_every_bit_name_shape_and_type_and_nothing_else() -> None:
    base = {'a': torch.arange(6.0).reshape(2, 3), 'b': torch.zeros(2)}
    others: list[dict[str, Tensor]] = [
        {'a': base['a']},
        {'a': base['a'], 'c': base['b']},
        base | {'a': base['a'].reshape(3, 2)},
        base | {'a': base['a'].to(torch.float64)},
        base | {'b': base['b'].view(torch.int32)},
        base | {'b': -base['b']},
        base | {'b': torch.tensor([0.0, 1e-45])},
    ]
    hashes = [state_hash(state) for state in [base, *others]]
    assert len(set(hashes)) == len(hashes)
    equal = {'b': torch.zeros(4)[::2], 'a': nn.Parameter(base['a'].T.contiguous().T)}
    assert state_hash(equal) == hashes[0]


def test_hash_takes_every_type_and_the_empty() -> None:
    kinds = [torch.bfloat16, torch.bool, torch.uint8, torch.complex64, torch.float16]
    state = {str(kind): torch.ones(3).to(kind) for kind in kinds}
    state['empty'] = torch.empty(0, 3)
    assert state_hash(state) == state_hash({k: v.clone() for k, v in state.items()})
