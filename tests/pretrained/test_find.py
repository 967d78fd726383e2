"""find returns local files, or says what gets them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vq import paths, pretrained
from vq.pretrained import MissingWeightsError, find, load


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    folder = tmp_path / 'pretrained'
    (folder / 'dino').mkdir(parents=True)
    (folder / 'huggingface' / 'gpt2-medium').mkdir(parents=True)
    return folder


def test_finds_what_is_there(root: Path) -> None:
    path = root / 'dino' / 'vitbase16.pth'
    torch.save({'weight': torch.arange(3)}, path)
    assert (
        find('dino/vitbase16') == path == paths.resolve(f'pretrained/dino/{path.name}')
    )
    assert find('pretrained/dino/vitbase16.pth') == path
    assert torch.equal(load('dino/vitbase16')['weight'], torch.arange(3))


def test_a_folder_is_found_when_it_is_complete(root: Path) -> None:
    folder = root / 'huggingface' / 'gpt2-medium'
    save_file({'weight': torch.ones(2)}, folder / 'model.safetensors')
    (folder / 'config.json').write_text('{}')
    with pytest.raises(
        MissingWeightsError, match=r'generation_config\.json is missing'
    ):
        find('huggingface/gpt2-medium')
    (folder / 'generation_config.json').write_text('{}')
    assert find('huggingface/gpt2-medium') == folder
    weights = load('huggingface/gpt2-medium/model.safetensors')
    assert torch.equal(weights['weight'], torch.ones(2))


def test_what_is_missing_is_named_with_the_command(root: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        find('torchvision/vgg16')
    path = root / 'torch' / 'vgg16-397923af.pth'
    assert str(error.value) == (
        f'{path}, 553.0 MB, is missing; run: '
        'python tools/prepare_checkpoints.py torchvision'
    )


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(KeyError, match=r'did you mean torchvision/vgg16 or'):
        find('torchvision/vg16')
    with pytest.raises(KeyError, match=r'no entry of vq\.pretrained: pytorch_fid/'):
        find('zzz')


def test_importing_is_light() -> None:
    code = f'import sys, {pretrained.__name__}; print("torch" in sys.modules)'
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert result.stdout == 'False\n'
