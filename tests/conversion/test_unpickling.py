"""Hand-made pickles: whatever they ask for, only tensors come of it."""

import io
import os
import pickle
import zipfile

import pytest
import torch

from vq.conversion import unpickling
from vq.conversion.unpickling import Placeholder, TensorUnpickler


def archive(tmp_path, code):
    """Return an unpickler of a program of pickle instructions."""
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as file:
        file.writestr('x/data.pkl', code)
        file.writestr('x/data/0', bytes(torch.arange(4.0).numpy().tobytes()))
    return TensorUnpickler(zipfile.ZipFile(tmp_path / 'x.zip'), 'x/')


def programs(path):
    """Return programs that would run a command, one for each way to call something."""
    command = f'touch {path}'.encode()
    text = b'S' + repr(command.decode()).encode() + b'\n'
    module = os.system.__module__.encode()
    name = b'c' + module + b'\nsystem\n'
    stack = b'\x8c\x05posix\x8c\x06system\x93'
    dotted = b'\x8c\x0ctorch._utils\x8c\x1e_rebuild_tensor_v2.__globals__\x93'
    return {
        'REDUCE': name + b'(' + text + b'tR.',
        'INST': b'(' + text + b'i' + module + b'\nsystem\n.',
        'OBJ': b'(' + name + text + b'o.',
        'NEWOBJ': b'\x80\x02' + name + b'(' + text + b't\x81.',
        'NEWOBJ_EX': b'\x80\x04' + stack + b'(' + text + b't}\x92.',
        'STACK_GLOBAL': b'\x80\x04' + stack + b'(' + text + b'tR.',
        'dotted name': b'\x80\x04' + dotted + b'.',
        'called twice': name + b'(' + text + b'tR(' + text + b'tR.',
        'state': name + b'(' + text + b'tR}' + text + text + b'sb.',
    }


@pytest.mark.parametrize('name', programs(''))
def test_nothing_is_called(name, tmp_path):
    path = tmp_path / 'touched'
    unpickler = archive(tmp_path, programs(path)[name])
    value = unpickler.load()
    assert isinstance(value, Placeholder) or issubclass(value, Placeholder)
    assert not path.exists() and len(unpickler.foreign) == 1


def test_the_programs_are_no_blanks(tmp_path):
    path = tmp_path / 'touched'
    for name in ('REDUCE', 'INST', 'OBJ', 'STACK_GLOBAL'):
        pickle.Unpickler(io.BytesIO(programs(path)[name])).load()
        assert path.exists(), name
        path.unlink()


def test_tensors_share_their_storage(tmp_path):
    tensor = torch.arange(12.0)
    saved = {'whole': tensor, 'part': tensor[3:6], 'other': Alien()}
    torch.save(saved, tmp_path / 'x.pt')
    content, foreign = unpickling.load_foreign(tmp_path / 'x.pt')
    assert torch.equal(content['part'], tensor[3:6])
    content['whole'][3] = -1
    assert content['part'][0] == -1
    assert foreign == (f'{Alien.__module__}.Alien',)


class Alien:
    """A class that is not known there."""

    def __init__(self):
        self.inner = [self]


@pytest.mark.parametrize(
    'code',
    [
        b'\x80\x02(X\x07\x00\x00\x00storageK\x01X\x01\x00\x00\x000tQ.',  # no type
        b"(S'x'\nQ.",  # no tuple
        b"(S'other'\nctorch\nFloatStorage\nS'0'\ntQ.",
        b"(S'storage'\nctorch\nFloatStorage\nS'../../etc'\ntQ.",
        b'ctorch._utils\n_rebuild_tensor_v2\n(I3\nI0\nttR.',
        b'ctorch\nfloat32\n(tR.',
    ],
)
def test_wrong_storages_are_errors(code, tmp_path):
    with pytest.raises((pickle.UnpicklingError, TypeError, ValueError, KeyError)):
        archive(tmp_path, code).load()
