"""Our metrics and torch-fidelity's agree on the same images and weights."""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch_fidelity
from PIL import Image

from tests.tools.loading import load_tool
from tests.tools.photographs import run, write_photographs, write_weights
from vq.config import ConfigError
from vq.pretrained import MissingWeightsError

NUMBER = 10
LAYER = 768  # its distance takes torch-fidelity no seconds
METRICS = ('fid', 'kid', 'inception_score', 'precision_recall')
PAIRS = {
    'fid': 'frechet_inception_distance',
    'kid/mean': 'kernel_inception_distance_mean',
    'inception_score/mean': 'inception_score_mean',
    'inception_score/std': 'inception_score_std',
    'precision_recall/precision': 'precision',
    'precision_recall/recall': 'recall',
    'precision_recall/f_score': 'f_score',
}
CONFIG = """
val_dataset = dict(type='FolderDataset', data_root='{{$root}}', transforms=[])
"""


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_tool('fidelity')


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of photographs, `real`, their copies, `jpeg`, and weights."""
    folder = tmp_path_factory.mktemp('photos')
    write_photographs(folder, NUMBER)
    write_weights(folder)
    (folder / 'x.py').write_text(CONFIG)
    return folder


@pytest.fixture
def words(photos: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """Return the data set, its folder and a small layer, for a command line."""
    monkeypatch.setenv('PRETRAINED', str(photos))
    layers = {f'feature_layer_{name}': str(LAYER) for name in ('fid', 'kid', 'prc')}
    compute = partial(
        torch_fidelity.calculate_metrics,
        **layers,
        prc_neighborhood=1,
        save_cpu_ram=True,  # without worker processes
        verbose=False,
    )
    monkeypatch.setattr(torch_fidelity, 'calculate_metrics', compute)
    return photos / 'x.py', photos / 'jpeg', '--config-options', f'root::{photos}/real'


@pytest.mark.usefixtures('log')
def test_all_metrics_equal_ours(
    tool: ModuleType, photos: Path, words: tuple[Any, ...], tmp_path: Path
) -> None:
    theirs = run(tool, *words, '--metrics', *tool.METRICS, tmp_path)
    layers = [f'.metrics.{name}.extractor.layer:{LAYER}' for name in METRICS]
    numbers = (
        f'.metrics.kid.subset_size:{NUMBER}',
        '.metrics.precision_recall.neighbours:1',
        '.dataloader.num_workers:0',
    )
    flags = '--extractor', 'tensorflow', '--metrics', *METRICS, '--override'
    folders = photos / 'real', photos / 'jpeg'
    ours = run(load_tool('fid'), *folders, *flags, *layers, *numbers, tmp_path)
    for name, their_name in PAIRS.items():
        expected = theirs[f'torch_fidelity/{their_name}']
        assert ours[name] == pytest.approx(expected, rel=1e-4), name
    assert ours['fid'] > 0.1 and 0 < ours['precision_recall/recall'] < 1
    (told,) = (tmp_path / 'torch_fidelity.txt').read_text().splitlines()
    assert f'f_score {expected:.6f}; torch-fidelity 0.4' in told
    protocols = theirs['protocols']['torch_fidelity'], ours['protocols']['fid']
    for name in ('number', 'size', 'resizer', 'weights', 'dtype'):
        assert protocols[0][name] == protocols[1][name], name


@pytest.mark.usefixtures('log')
def test_the_data_sets_features_are_kept(
    tool: ModuleType,
    words: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(
        torch_fidelity, 'calculate_metrics', lambda **kwargs: asked.append(kwargs) or {}
    )
    for options in ((), ('--override1', '.transforms:[]'), ('--metrics', 'kid')):
        run(tool, *words, *options, tmp_path)
    crop = '.transforms:[dict(type="CenterCrop",size=64)]'
    run(tool, *words, '--override1', crop, '--override2', crop, tmp_path)
    names = [call['input2_cache_name'] for call in asked]
    assert names[:3] == names[:1] * 3 and names[3] != names[0]
    assert {call['cache_root'] for call in asked} == {
        str(tmp_path / 'torch_fidelity_cache')
    }
    assert [call['kid'] for call in asked] == [False, False, True, False]
    assert {call['feature_extractor'] for call in asked} == {'inception-v3-compat'}
    assert asked[3]['input1'][0].shape == asked[3]['input2'][0].shape == (3, 64, 64)


@pytest.mark.usefixtures('log')
def test_what_is_missing_or_does_not_fit_is_named(
    tool: ModuleType,
    words: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Image.new('RGB', (9, 8)).save(tmp_path / '0.png')
    Image.new('RGB', (8, 8)).save(tmp_path / '1.png')
    with pytest.raises(ValueError, match=r'1.png is \(3, 8, 8\), the first .*Crop'):
        run(tool, words[0], tmp_path, *words[2:], tmp_path)
    with pytest.raises(ConfigError, match='configs/fid/imagnet.py does not exist'):
        run(tool, 'imagnet', words[1], tmp_path)
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    with pytest.raises(MissingWeightsError, match='run: python .* inception'):
        run(tool, *words, tmp_path)
    monkeypatch.setitem(sys.modules, 'torch_fidelity', None)
    with pytest.raises(ValueError, match=r"pip install -e '.\[fid\]'"):
        run(tool, *words, tmp_path)
