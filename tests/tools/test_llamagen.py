"""Ten crops of each image are tokenized as each would be alone, into both layouts."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from tests.runs import TINY, tiny
from tests.tools.loading import load_tool
from vq import distributed, paths
from vq.checkpoints.files import write_safetensors
from vq.config import ConfigError
from vq.datasets import LlamaGenCodesDataset, MissingDataError, TokenDataset
from vq.datasets.synthetic import SyntheticDataset
from vq.images import normalize
from vq.registry import MODELS

Capture = pytest.CaptureFixture[str]
NAME = 'work_dirs/tiny_llamagen'


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_tool('llamagen')


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a repository with the weights of a tokenizer."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    write_safetensors(tmp_path / 'model.safetensors', model().state_dict())
    return tmp_path


def model() -> Any:
    torch.manual_seed(1)
    return MODELS.build(tiny().validator.model).eval()


def run(tool: ModuleType, *words: str) -> None:
    line = ['tiny', str(TINY), '--load-model-from', 'model.safetensors', *words]
    tool.run(tool.parser().parse_args(line))


def by_hand(number: int) -> Tensor:
    """Return the tokens of ten crops of synthetic images, tokenized one by one."""
    own, rows = model(), []
    dataset = SyntheticDataset(length=number, size=20, transforms=[])
    enlarge = v2.Resize(17, InterpolationMode.BICUBIC, antialias=True)
    for index in range(number):
        crops = v2.TenCrop(16)(v2.CenterCrop(17)(enlarge(dataset.read(index))))
        tokens = [own.tokenizer.tokenize(normalize(c[None])) for c in crops]
        rows.append(torch.cat(tokens))
    return torch.stack(rows)


def stored(folder: Path) -> Tensor:
    store = TokenDataset(folder / 'tokens')
    store.verify()
    return torch.stack([store[index][0] for index in range(len(store))])


def test_each_crop_has_the_tokens_that_it_has_alone(
    tool: ModuleType, root: Path, capsys: Capture
) -> None:
    run(tool, '--npy')
    expected = by_hand(23)
    assert torch.equal(stored(root / NAME), expected)
    store = TokenDataset(root / NAME / 'tokens')
    assert (store.meta.crops, store.meta.grid) == (10, (8, 8))
    assert store.meta.dataset == '23 synthetic pictures'
    assert [t['type'] for t in store.meta.transforms][-1] == 'TenCrop'
    folder = root / NAME / 'llamagen_tokens'
    files = sorted((folder / 'imagenet16_codes').iterdir())
    assert sorted(int(path.stem) for path in files) == list(range(23))
    read = LlamaGenCodesDataset(root=str(folder))
    assert np.array_equal([read.stored(i) for i in range(23)], expected)
    assert [read.category(i) for i in range(23)] == [i % 10 for i in range(23)]
    text = capsys.readouterr().out
    assert '\n23 of 23 images, 10 crops each, 8 x 8 tokens a crop: ' in text
    assert f'tokens::{root / NAME}/tokens' in text and str(folder) in text


def test_validation_images_and_a_second_run_that_adds_files(
    tool: ModuleType, root: Path
) -> None:
    run(tool, '--val')
    folder = root / f'{NAME}_val'
    assert torch.equal(stored(folder), by_hand(11))
    assert not (folder / 'llamagen_tokens').exists()
    shards = [*(folder / 'tokens').rglob('*.npy')]
    before = [path.stat().st_mtime_ns for path in shards]
    run(tool, '--val', '--npy')
    assert [path.stat().st_mtime_ns for path in shards] == before
    assert len([*(folder / 'llamagen_tokens/imagenet16_labels').iterdir()]) == 11


def test_ranks_share_the_images(
    tool: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other in this process, the first fails for want of the second."""
    monkeypatch.setattr(tool, 'CALLBACKS', [dict(type='TokenCallback', block_size=4)])
    monkeypatch.setattr(distributed, 'world_size', lambda: 2)
    monkeypatch.setattr(distributed, 'barrier', lambda: None)
    with pytest.raises(MissingDataError, match='shard_00001, shard_00003, shard_00005'):
        run(tool)
    monkeypatch.setattr(distributed, 'rank', lambda: 1)
    run(tool)
    assert torch.equal(stored(root / NAME), by_hand(23))


def test_sub_tokens_have_no_npy(tool: ModuleType, root: Path) -> None:
    quantizer = "dict(type='LFQuantizer',dim=4,token_bits=(2,2))"
    words = ['--override', f'.validator.model.tokenizer.quantizer:{quantizer}']
    with pytest.raises(ValueError, match=r'one token a position.*\(4, 4\).*--npy'):
        run(tool, '--npy', *words)
    assert not (root / NAME / 'tokens').exists()


def test_images_of_no_one_size_are_refused(tool: ModuleType, root: Path) -> None:
    words = [
        '--override',
        ".validator.dataset.transforms:[dict(type='Resize',size=16)]",
    ]
    with pytest.raises(ConfigError, match='must end with a crop'):
        run(tool, *words)


def test_unreadable_images_are_left_out_not_replaced(
    tool: ModuleType, root: Path
) -> None:
    config = tool.build_config(
        tool.parser().parse_args(
            [
                'tiny',
                str(TINY),
                '--override',
                ".trainer.dataset:dict(type='ImageNetDataset',split='train',"
                "data_root='x',transforms=[],on_error='replace')",
            ]
        )
    )[0]
    assert config.validator.dataset.on_error == 'skip'
