"""Folders, arrays and stored tokens measured as pytorch-fid measures folders."""

import argparse
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_fid import fid_score, inception

from tests.metrics.pooled_pixels import write_reference
from tests.ranks import run_ranks
from tests.runs import TINY, tiny_validator
from tests.tools.loading import load_tool
from tests.tools.photographs import (
    record,
    run,
    write_photographs,
    write_weights,
)
from vq.config import ConfigError
from vq.datasets import FolderDataset
from vq.metrics.features import MismatchError
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import Statistics
from vq.registry import METRICS

Capture = pytest.CaptureFixture[str]
LAYER = 192  # of fewer channels than pytorch-fid takes seconds for
POOLED = (
    '--override',
    '.metrics.fid.extractor:dict(type="PooledPixels")',
    '.dataloader.num_workers:0',
    '.dataloader.batch_size:6',
)


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_tool('fid')


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 8 photographs, `real`, their copies, `jpeg`, and weights."""
    folder = tmp_path_factory.mktemp('photos')
    write_photographs(folder, 8)
    write_weights(folder)
    return folder


@pytest.mark.usefixtures('log')
def test_fid_of_jpegs_equals_pytorch_fid(
    tool: ModuleType, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PRETRAINED', str(photos))
    (weights,) = photos.glob('pretrained/pytorch-fid/*')
    monkeypatch.setattr(
        inception, 'load_state_dict_from_url', lambda *_, **__: torch.load(weights)
    )
    pair = [str(photos / 'real'), str(photos / 'jpeg')]
    expected = fid_score.calculate_fid_given_paths(pair, 8, 'cpu', LAYER, 0)
    layer = f'.metrics.fid.extractor.layer:{LAYER}'
    workers = '.dataloader.num_workers:0'
    found = run(tool, *pair, '--override', layer, workers, tmp_path)
    assert found['fid'] == pytest.approx(expected, rel=1e-4)
    assert found['fid'] > 0.1
    protocol = found['protocols']['fid']
    assert protocol['resizer'] == 'pytorch-fid' and protocol['size'] == '96x96'
    assert protocol['reference_protocol']['dataset'].endswith('/real')


def pooled(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the features that PooledPixels sees in (n, h, w, 3): (n, 12)."""
    n, h, w, _ = images.shape
    parts = images.reshape(n, 2, h // 2, 2, w // 2, 3).mean((2, 4)) / 32
    features: NDArray[np.float64] = parts.transpose(0, 3, 1, 2).reshape(n, -1)
    return features


def pixels(folder: Path) -> NDArray[np.uint8]:
    dataset = FolderDataset(data_root=str(folder), transforms=[])
    read = [dataset.read(index).numpy() for index in range(len(dataset))]
    return np.moveaxis(np.stack(read), 1, 3)


def expected_fid(*images: NDArray[np.uint8]) -> float:
    moments = [(f.mean(0), np.cov(f.T)) for f in map(pooled, images)]
    value: float = fid_score.calculate_frechet_distance(*moments[0], *moments[1])
    return value


def measure(*words: str) -> None:
    tool = load_tool('fid')
    tool.run(tool.parser().parse_args(words))


@pytest.mark.usefixtures('log')
def test_folders_and_arrays_on_any_ranks_give_the_same_digits(
    tool: ModuleType, tmp_path: Path
) -> None:
    write_photographs(tmp_path, 31)
    real, jpeg = tmp_path / 'real', tmp_path / 'jpeg'
    np.savez(tmp_path / 'jpeg.npz', pixels(jpeg), np.zeros(31))
    expected = expected_fid(pixels(real), pixels(jpeg))
    alone = run(tool, real, jpeg, *POOLED, tmp_path / 'one')
    assert alone['fid'] == pytest.approx(expected, rel=1e-6)
    words = str(real), str(tmp_path / 'jpeg.npz'), *POOLED
    run_ranks(measure, 3, *words, '--work-dir', str(tmp_path / 'three'))
    together = record(tmp_path / 'three')
    assert together['fid'] == pytest.approx(alone['fid'], rel=1e-10)
    assert together['protocols']['data']['number'] == 31


@pytest.mark.usefixtures('log')
def test_stored_tokens_count_as_the_pictures_they_decode_to(
    tool: ModuleType, tmp_path: Path
) -> None:
    callbacks = (
        '.validator.callbacks:[dict(type="TokenCallback",block_size=8),'
        'dict(type="VisualCallback",pattern="reconstruction")]'
    )
    validator = tiny_validator(tmp_path, callbacks)
    validator.run()
    torch.save(validator.model.state_dict(), tmp_path / 'model.pth')
    write_reference(tmp_path / 'x.safetensors', 50)
    reference = str(tmp_path / 'x.safetensors')
    saved = tmp_path / 'unbatched_visual'
    pictures = run(tool, reference, saved, *POOLED, tmp_path / 'pictures')
    model = '--config', str(TINY), '--load-model-from', str(tmp_path / 'model.pth')
    words = reference, tmp_path / 'tokens', *model, *POOLED
    tokens = run(tool, *words, tmp_path / 'decoded')
    features = pooled(pixels(saved))
    theirs = Statistics.load(tmp_path / 'x.safetensors').pooled
    expected = fid_score.calculate_frechet_distance(
        features.mean(0), np.cov(features.T), theirs.mean, theirs.covariance
    )
    assert pictures['fid'] == pytest.approx(expected, rel=1e-4)
    assert tokens['fid'] == pytest.approx(pictures['fid'], rel=1e-12)
    torch.manual_seed(1)
    for parameter in validator.model.parameters():
        torch.nn.init.normal_(parameter)
    torch.save(validator.model.state_dict(), tmp_path / 'model.pth')
    with pytest.raises(ValueError, match='load the weights that wrote these tokens'):
        run(tool, *words, tmp_path / 'decoded')


@pytest.mark.usefixtures('log')
def test_a_mismatch_is_refused_or_told(tool: ModuleType, tmp_path: Path) -> None:
    write_photographs(tmp_path, 4)
    path = tmp_path / 'x.safetensors'
    write_reference(path, 50)
    statistics = Statistics.load(path)
    statistics.protocol = Protocol(size='8x8')
    statistics.save(path)
    words = path, tmp_path / 'jpeg', *POOLED
    with pytest.raises(MismatchError, match='size is 96x96, there 8x8'):
        run(tool, *words, tmp_path)
    found = run(tool, *words, '--allow-mismatch', tmp_path)
    assert found['protocols']['fid']['mismatch'] == {'size': ['96x96', '8x8']}
    assert found['source'] == str(tmp_path / 'jpeg')
    (told,) = (tmp_path / 'fid.txt').read_text().splitlines()
    assert f'{tmp_path / "jpeg"} (4 images) and {path}; fid {found["fid"]:.6f}' in told
    assert told.endswith('MISMATCH size: 96x96 and 8x8')


def parsed(tool: ModuleType, *words: str) -> argparse.Namespace:
    args: argparse.Namespace = tool.parser().parse_args(words)
    return args


def test_all_metrics_are_built_with_one_extractor(
    tool: ModuleType, tmp_path: Path
) -> None:
    args = parsed(
        tool, 'x', 'y', '--metrics', *tool.METRICS, '--extractor', 'clean-fid'
    )
    metrics = tool.build_config(args, tmp_path).validator.metrics
    extractor = dict(type='InceptionExtractor', rule='clean-fid')
    assert [m['extractor'] for m in metrics.values()] == [extractor] * len(tool.METRICS)
    assert {m['type'] for m in metrics.values()} <= set(METRICS.names())
    wrong = parsed(tool, 'x', 'y', '--override', '.dataloader.batch_sise:3')
    with pytest.raises(ConfigError, match='batch_size'):
        tool.build_config(wrong, tmp_path)


def test_what_is_missing_or_does_not_fit_is_named(
    tool: ModuleType, tmp_path: Path
) -> None:
    write_photographs(tmp_path, 4)
    (tmp_path / 'meta.json').write_text('{}')
    with pytest.raises(ConfigError, match='is a token store .*pass --config'):
        run(tool, 'x', tmp_path, tmp_path)
    with pytest.raises(ConfigError, match='is no token store .*leave --config out'):
        run(tool, 'x', tmp_path / 'jpeg', '--config', TINY, tmp_path)
    with pytest.raises(FileNotFoundError, match='make it: .* -m vq.fid x'):
        run(tool, 'x_val', tmp_path / 'jpeg', *POOLED, tmp_path)
    with pytest.raises(FileNotFoundError, match='nowhere does not exist'):
        run(tool, 'x', tmp_path / 'nowhere', tmp_path)


def test_the_work_dir_is_named_after_the_folder(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tool.paths.ROOT
    folder = tool.work_dir(parsed(tool, 'x', 'y'), root / 'work_dirs' / 'a' / 'pngs')
    assert folder == root / 'work_dirs' / 'fid' / 'work_dirs_a_pngs'
    monkeypatch.chdir(tmp_path)
    given = parsed(tool, 'x', 'y', '--work-dir', 'samples/pngs/..')
    assert tool.work_dir(given, tmp_path) == tmp_path / 'samples'


@pytest.mark.usefixtures('log')
def test_a_dry_run_needs_neither_statistics_nor_weights(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    write_photographs(tmp_path, 4)
    found = run(tool, 'x_val', tmp_path / 'jpeg', *POOLED, tmp_path)
    assert np.isnan(found['fid'])
    assert 'dry run: compared with nothing, hence nan' in capsys.readouterr().out
