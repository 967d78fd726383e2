"""`vq.fid`: from a data set's name to a file of statistics."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.datasets.pictures import save_folder
from tests.metrics.pooled_pixels import pool
from vq import cli, commands, fid, paths
from vq.config import ConfigError, load
from vq.datasets.folder import FolderDataset
from vq.metrics.statistics import Statistics, locate

pytestmark = pytest.mark.usefixtures('log')  # which puts the logger back
ROOT = Path(__file__).parents[1]
DATASETS = [path.stem for path in (ROOT / 'configs/_base_/datasets').glob('*.py')]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything go to a temporary folder, where two folders of images lie."""

    def work_dir(name: str, *, dry_run: bool = False) -> Path:
        return tmp_path / 'work_dirs' / ('dry_run' if dry_run else '') / name

    monkeypatch.setattr(paths, 'work_dir', work_dir)
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    save_folder(tmp_path / 'val', [f'{i}.png' for i in range(5)])
    save_folder(tmp_path / 'train', [f'{i}.png' for i in range(7)])


def arguments(tmp_path: Path, *words: str) -> argparse.Namespace:
    """Parse a command line for the folders, with an extractor that needs no weights."""
    return cli.fid_parser().parse_args(
        [
            'folder',
            '--config-options',
            f'train_root::{tmp_path}/train',
            f'val_root::{tmp_path}/val',
            'image_size:16',
            '--override',
            '.model:dict(type="PooledPixels")',
            '.dataloader:dict(batch_size=2,num_workers=0)',
            *words,
        ]
    )


@pytest.mark.parametrize('split', ['val', 'train'])
def test_the_statistics_are_those_of_the_split(tmp_path: Path, split: str) -> None:
    words = ['--train'] if split == 'train' else []
    fid.run(arguments(tmp_path, *words, '--features', '3'))
    recipe = [dict(type='Resize', size=16), dict(type='CenterCrop', size=16)]
    images = FolderDataset(data_root=str(tmp_path / split), transforms=recipe)
    pixels = torch.stack([images[i].original_image for i in range(len(images))])  # type: ignore[union-attr]
    expected = pool(pixels / 32, 2).double().numpy()
    found = Statistics.load(tmp_path / f'pretrained/fid/folder_{split}.safetensors')
    np.testing.assert_allclose(found.pooled.mean, expected.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        found.pooled.covariance, np.cov(expected, rowvar=False), atol=1e-13
    )
    assert found.pooled.count == dict(val=5, train=7)[split]
    assert found.features is not None and len(found.features) == 3
    assert found.protocol.size == '16x16'
    assert (tmp_path / f'work_dirs/fid/folder_{split}/folder.py').is_file()


def test_overrides_start_at_the_half_that_is_meant(tmp_path: Path) -> None:
    for words, half in (([], 'validator'), (['--train'], 'trainer')):
        args = arguments(tmp_path, '.dataloader.batch_size:1024', *words)
        assert fid.complete(args) == half
        config = commands.load_config(args, halves=[half])
        assert getattr(config, half).dataloader.batch_size == 1024
        other = config.trainer if half == 'validator' else config.validator
        assert other.dataloader.batch_size == 256
    with pytest.raises(ConfigError, match='lacks its leading dot'):
        fid.run(arguments(tmp_path, 'dataloader.batch_size:1024'))


def test_what_is_there_is_not_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fid.run(arguments(tmp_path, '--name', 'mine'))
    path = locate('mine')
    before = path.stat().st_mtime_ns
    fid.run(arguments(tmp_path, '--name', 'mine'))
    assert path.stat().st_mtime_ns == before
    told = capsys.readouterr().out.splitlines()[-1]
    assert f'{path} is there already, of 5 images' in told
    assert 'crop Resize(size=16) CenterCrop(size=16)' in told
    save_folder(tmp_path / 'val', ['5.png'])
    fid.run(arguments(tmp_path, '--name', 'mine', '--force'))
    assert Statistics.load(path).pooled.count == 6


def test_wrong_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='configs/fid/imagnet.py; did you mean `imag'):
        fid.run(cli.fid_parser().parse_args(['imagnet']))
    with pytest.raises(ConfigError, match='configs/fid/nowhere.py does not exist'):
        fid.run(cli.fid_parser().parse_args(['configs/fid/nowhere.py']))
    with pytest.raises(ConfigError, match='has no StatisticsCallback'):
        fid.run(cli.fid_parser().parse_args(['configs/demo/vqgan_digits.py']))
    with pytest.raises(ValueError, match="file name without folders, got 'a/b'"):
        fid.run(arguments(tmp_path, '--name', 'a/b'))


def test_a_dry_run_needs_nothing_and_leaves_pretrained_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    fid.run(cli.fid_parser().parse_args(['hq_faces', '--train']))
    folder = tmp_path / 'work_dirs/dry_run/fid/hq_faces_train'
    found = Statistics.load(folder / 'hq_faces_train.safetensors')
    assert (found.pooled.count, len(found.pooled.mean)) == (4, 2048)
    assert not (tmp_path / 'pretrained').exists()
    assert capsys.readouterr().out.count('WARNING: dry run: ') == 2


@pytest.mark.parametrize('dataset', DATASETS)
def test_every_data_set_has_statistics_without_augmentation(dataset: str) -> None:
    options = dict(train_root='a', val_root='b') if dataset == 'folder' else {}
    config = load(ROOT / f'configs/fid/{dataset}.py', options=options)
    for half in (config.trainer, config.validator):
        assert half.type == 'Extraction'
        transforms = [transform.type for transform in half.dataset.transforms]
        assert transforms in (['CenterCrop'], ['Resize', 'CenterCrop'])
        assert half.dataset.get('on_error') != 'replace'
