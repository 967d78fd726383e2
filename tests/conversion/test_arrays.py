"""Arrays in pickles: to the bit, and nothing else comes of a pickle."""

import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
import torch

from tests.conversion.test_unpickling import programs
from vq.conversion.arrays import ArrayUnpickler, Fields
from vq.conversion.unpickling import load_foreign


def through(path, value):
    """Return a value that went through a file."""
    torch.save(value, path)
    return load_foreign(path, ArrayUnpickler)[0]


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize('shape', [(5,), (2, 3), ()])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_arrays_come_back_bit_for_bit(tmp_path, dtype, shape, order):
    rows = np.random.default_rng(1).standard_normal(shape)
    array = np.array(rows, dtype, order=order)
    back = through(tmp_path / 'x.pt', {'mu': array, 'b': torch.arange(3), 'n': [1]})
    assert back['mu'].numpy().tobytes() == array.tobytes()
    assert (back['mu'].shape, back['mu'].numpy().dtype) == (shape, dtype)
    assert torch.equal(back['b'], torch.arange(3)) and back['n'] == [1]


def test_older_numpy_called_it_core(tmp_path):
    torch.save(np.arange(4.0), tmp_path / 'x.pt')
    with zipfile.ZipFile(tmp_path / 'x.pt') as archive:
        code = archive.read('x/data.pkl')
    assert b'numpy._core.' in code
    with zipfile.ZipFile(tmp_path / 'y.pt', 'w') as archive:
        archive.writestr('y/data.pkl', code.replace(b'numpy._core.', b'numpy.core.'))
    back, _ = load_foreign(tmp_path / 'y.pt', ArrayUnpickler)
    assert back.tolist() == [0, 1, 2, 3]


class Stranger:
    """Pickled as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_an_unknown_class_is_what_it_was_given(tmp_path):
    value = through(tmp_path / 'x.pt', Stranger(pytest.approx, 1, np.ones(2)))
    assert isinstance(value, Fields) and value[0] == 1 and value[1].tolist() == [1, 1]


@pytest.mark.parametrize('name', programs(''))
def test_nothing_is_called(name, tmp_path):
    path = tmp_path / 'touched'
    with zipfile.ZipFile(tmp_path / 'x.pt', 'w') as file:
        file.writestr('x/data.pkl', programs(path)[name])
    try:
        load_foreign(tmp_path / 'x.pt', ArrayUnpickler)
    except TypeError:
        assert name == 'called twice'  # what a stranger was given cannot be called
    assert not path.exists()


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (np.array([1, 'a'], object), "array of 'O8'"),
        (np.arange(3), "array of 'i8'"),
        (np.zeros(2, [('a', 'f4'), ('b', 'O')]), "array of 'V12'"),
        (np.zeros(2, '>f8'), "byte order '>'"),
    ],
)
def test_other_arrays_are_refused(tmp_path, value, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        through(tmp_path / 'x.pt', value)
