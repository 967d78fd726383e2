"""TorchScript archives give their tensors, and run nothing."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vq import checkpoints
from vq.checkpoints import CheckpointError
from vq.checkpoints.torchscript import is_torchscript
from vq.models.frozen import read_weights

pytestmark = pytest.mark.filterwarnings('ignore:`torch.jit')


class Program(nn.Module):
    """A network with values of all kinds beside its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
        self.tied = self.visual[1]
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer('turned', torch.arange(6).reshape(2, 3).T)
        self.names, self.sizes, self.rates = ['a', 'b'], [1, 2], {'a': 1.5}

    def forward(self, image: Tensor) -> Tensor:
        length = len(self.names) + sum(self.sizes) + self.rates['a']
        return self.tied(self.visual(image)) * self.logit_scale * length


def archive(path: Path, content: bytes) -> Path:
    """Write what looks like a TorchScript archive around a pickle."""
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('x/data.pkl', content)
        file.writestr('x/constants.pkl', pickle.dumps((), 2))
        file.writestr('x/code/__torch__.py', 'raise SystemExit')
    return path


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('traced', [True, False])
def test_tensors_are_those_of_the_program(
    tmp_path: Path, dtype: torch.dtype, traced: bool
) -> None:
    module = Program().to(dtype).eval()
    # A name says nothing about the content.
    path = tmp_path / 'ViT-B-16.safetensors'
    image = torch.zeros(1, 3, 4, 4, dtype=dtype)
    scripted = torch.jit.trace(module, image) if traced else torch.jit.script(module)
    torch.jit.save(scripted, path)
    expected = module.state_dict()
    found = read_weights(path)
    assert checkpoints.state_hash(found) == checkpoints.state_hash(expected)
    assert found['visual.0.weight'].dtype == dtype


def test_files_of_torch_save_are_no_programs(tmp_path: Path) -> None:
    torch.save(Program().state_dict(), tmp_path / 'x.pt')
    assert not is_torchscript(tmp_path / 'x.pt')
    (tmp_path / 'y.pt').write_bytes(b'PK weights')
    assert not is_torchscript(tmp_path / 'y.pt')
    assert is_torchscript(archive(tmp_path / 'z.pt', b''))


class Evil:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ('evil', 'message'),
    [
        (Evil(os.mkdir, 'TARGET'), r'it asks for posix\.mkdir'),
        (Evil(eval, 'open("TARGET", "w")'), r'it asks for __builtin__\.eval'),
        (Evil(torch.load, 'TARGET'), r'it asks for torch\.serialization\.load'),
    ],
)
def test_a_program_that_asks_for_more_is_refused(
    tmp_path: Path, evil: Evil, message: str
) -> None:
    target = str(tmp_path / 'made')
    function, args = evil.call
    evil = Evil(function, *(arg.replace('TARGET', target) for arg in args))
    path = archive(tmp_path / 'evil.pt', pickle.dumps(dict(weight=evil), 2))
    with pytest.raises(CheckpointError, match=rf'evil\.pt .* more than .*{message}'):
        checkpoints.read_file(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['evil.pt']


def test_a_class_of_the_archive_is_only_attributes(tmp_path: Path) -> None:
    # Its code says `raise SystemExit`; calling it with anything else is refused.
    path = archive(
        tmp_path / 'x.pt', b'\x80\x02c__torch__\nA\n)\x81}X\x01\0\0\0aK\1sb.'
    )
    assert checkpoints.read_file(path) == {}
    path = archive(tmp_path / 'y.pt', b'\x80\x02c__torch__\nA\nX\x01\0\0\0a\x85R.')
    with pytest.raises(CheckpointError, match='is damaged'):
        checkpoints.read_file(path)


def test_a_damaged_program_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / 'x.pt', b'\x80\x02}')
    with pytest.raises(CheckpointError, match=r'x\.pt is damaged'):
        checkpoints.read_file(path)
