"""What is written comes back from files of TensorBoard, W&B and SwanLab, offline."""

import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.runs import tiny
from tests.trackers import swanlab_runs, wandb_runs
from vq.config import load
from vq.runners.guards import StopRequest
from vq.visual import Visualizer

ROOT = Path(__file__).parents[1]
PICTURE = torch.randint(256, (3, 8, 12), dtype=torch.uint8)
OFFLINE = dict(mode='offline', project='faces', entity=None)


def write(folder: Path, type_: str, step: int, **changes: Any) -> None:
    """Write scalars and a picture, as a run does that begins or is resumed."""
    backend: dict[str, Any] = dict(type=f'{type_}VisBackend', init_kwargs=OFFLINE)
    if type_ == 'Swanlab':
        backend['init_kwargs'] = dict(mode='offline', project='faces')
    kwargs: dict[str, Any] = dict(name='run', config=tiny()) | changes
    visualizer = Visualizer(folder, [backend], **kwargs)
    visualizer.scalars({'train/a': 0.25 * step, 'train/b': -1.5}, step)
    visualizer.image('train/picture', PICTURE, step)
    visualizer.close()


def same_picture(path: Path) -> bool:
    """Tell whether a file holds the picture."""
    shown = rearrange(PICTURE, 'c h w -> h w c').numpy()
    return bool((np.asarray(Image.open(path).convert('RGB')) == shown).all())


def test_wandb_gets_values_steps_pictures_and_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WANDB_SILENT', 'true')
    write(tmp_path, 'Wandb', 20)
    [run] = wandb_runs(tmp_path)
    scalars, picture = run['rows']
    assert scalars == {'train/a': 5.0, 'train/b': -1.5, 'iteration': 20}
    assert picture['iteration'] == 20
    assert same_picture(run['path'] / 'files' / picture['train/picture']['path'])
    assert (run['name'], run['project'], run['group']) == ('run', 'faces', 'run')
    assert run['config']['trainer']['iters'] == 12
    assert run['config']['validator']['metrics']['psnr'] == {'type': 'PSNR'}


def test_a_resumed_run_keeps_its_id_and_validation_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WANDB_SILENT', 'true')
    for step in (20, 10):  # also back to an earlier checkpoint
        write(tmp_path, 'Wandb', step)
        [run] = wandb_runs(tmp_path)
        assert run['id'] == (tmp_path / 'wandb' / 'train_id').read_text()
        assert run['rows'][0]['iteration'] == step
        run['path'].rename(tmp_path / f'kept_{step}')
    write(tmp_path, 'Wandb', 10, name='run/val', kind='val')
    [validation] = wandb_runs(tmp_path)
    assert validation['id'] != run['id']
    assert (validation['name'], validation['group']) == ('run/val', 'run')


def test_swanlab_gets_values_steps_pictures_and_config(tmp_path: Path) -> None:
    write(tmp_path, 'Swanlab', 20)
    [run] = swanlab_runs(tmp_path)
    assert run['scalars'] == {('train/a', 20): 5.0, ('train/b', 20): -1.5}
    [name] = run['pictures']['train/picture', 20]
    assert same_picture(run['path'] / 'media' / 'image' / name)
    assert (run['name'], run['project']) == ('run', 'faces')
    assert run['id'] == (tmp_path / 'swanlab' / 'train_id').read_text()
    assert 'codebook_size: 32' in (run['path'] / 'files' / 'config.yaml').read_text()


def test_a_dry_run_stays_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    for given, expected in (('online', 'offline'), ('disabled', 'disabled')):
        asked = dict(type='WandbVisBackend', init_kwargs=dict(mode=given))
        [backend] = Visualizer(tmp_path, [asked])._backends
        assert backend._init_kwargs['mode'] == expected


def test_one_tag_is_a_list_of_one(tmp_path: Path) -> None:
    asked = dict(type='WandbVisBackend', init_kwargs=dict(tags='faces'))
    [backend] = Visualizer(tmp_path, [asked])._backends
    assert backend._init_kwargs['tags'] == ['faces']


@pytest.mark.parametrize('type_', ['Wandb', 'Swanlab'])
def test_ctrl_c_is_still_the_runs_own(
    type_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WANDB_SILENT', 'true')
    asked = dict(type=f'{type_}VisBackend', init_kwargs=dict(mode='disabled'))
    with StopRequest() as stop:
        visualizer = Visualizer(tmp_path, [asked])
        visualizer.scalars({'train/a': 1.0}, 1)
        assert signal.getsignal(signal.SIGINT) == stop._handle
        visualizer.close()
        assert signal.getsignal(signal.SIGINT) == stop._handle


def test_tensorboard_gets_the_config_as_a_file_of_ours(tmp_path: Path) -> None:
    config = tiny()
    backends = [dict(type='TensorboardVisBackend')]
    visualizer = Visualizer(tmp_path, backends, config=config)
    visualizer.scalars({'train/a': 0.5}, 3)
    visualizer.close()
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    [event] = events.Tensors('config/text_summary')
    assert event.tensor_proto.string_val[0].decode() == config.text
    assert [(e.step, e.value) for e in events.Scalars('train/a')] == [(3, 0.5)]


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'swanlab.integration.mmengine', None)
    with pytest.raises(ValueError, match=r"swanlab: pip install 'vq\[swanlab\]'"):
        Visualizer(tmp_path, [dict(type='SwanlabVisBackend')])
    with pytest.raises(ValueError, match=r"'WandVisBackend'; .*`WandbVisBackend`"):
        Visualizer(tmp_path, [dict(type='WandVisBackend')])


@pytest.mark.parametrize('name', ['tensorboard', 'wandb', 'swanlab'])
def test_a_logger_is_one_line_of_a_base(name: str, tmp_path: Path) -> None:
    file = tmp_path / 'x.py'
    bases = ['vqvae/1024_photos.py', f'_base_/loggers/{name}.py']
    file.write_text(f'_base_ = {[str(ROOT / "configs" / base) for base in bases]}\n')
    given = {} if name == 'tensorboard' else dict(project='faces', mode='offline')
    config = load(file, options=given)
    for half in (config.trainer, config.validator):
        [log] = [c for c in half.callbacks if c.type == 'LogCallback']
        found = {b.type: dict(b.get('init_kwargs', {})) for b in log.backends}
        own = found[f'{name.capitalize()}VisBackend']
        assert {key: own.get(key) for key in given} == given
        assert 'TensorboardVisBackend' in found
        assert log.interval == 50
