"""Every experiment loads, assembles, checks, and builds at full size on no memory."""

from pathlib import Path
from typing import Any

import pytest
import torch

from vq.config import Config, check, load
from vq.registry import CALLBACKS, METRICS, MODELS, TRANSFORMS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
BASES = sorted(
    path.relative_to(ROOT) for path in (ROOT / 'configs' / '_base_').rglob('*.py')
)
TRAINED = [path for path in CONFIGS if path.parts[1] != 'fid']  # those only look
COUNTED = (
    'EMAQuantizer',
    'KMeansQuantizer',
    'NormEMAQuantizer',
)  # no gradient moves their codes
MAX_LINES = 12  # of an experiment: a base list, and what differs
# What a config needs on its command line.
_FOLDERS = dict(train_root='data/train', val_root='data/val')
_TOKENIZER = dict(it_config='configs/fsq/8000_imagenet_ddp.py')
OPTIONS: dict[str, dict[str, Any]] = {
    'configs/_base_/models/probe.py': _TOKENIZER,
    'configs/_base_/datasets/folder.py': _FOLDERS,
    'configs/fid/folder.py': _FOLDERS,
    'configs/_base_/decoder.py': _TOKENIZER,
    'configs/decoder/llamagen.py': _TOKENIZER,
    'configs/decoder/vqgan.py': _TOKENIZER,
    'configs/ic/digits.py': _TOKENIZER,
    'configs/ic/folder_ddp.py': _FOLDERS | _TOKENIZER | dict(classes=10),
    'configs/ic/imagenet_ddp.py': _TOKENIZER,
}


@pytest.fixture(params=CONFIGS, ids=str)
def config(request: pytest.FixtureRequest) -> Config:
    return load(ROOT / request.param, options=OPTIONS.get(str(request.param)))


def test_a_dump_loads_to_the_same(config: Config, tmp_path: Path) -> None:
    config.dump(tmp_path / config.path.name)
    again = load(tmp_path / config.path.name)
    assert again == config
    assert again.text == config.text


def test_types_and_arguments(config: Config) -> None:
    check(config)


def test_builds_on_the_meta_device(config: Config) -> None:
    with torch.device('meta'):
        training = MODELS.build(config.trainer.model)
        validation = MODELS.build(config.validator.model)
    trained, validated = training.state_dict().keys(), validation.state_dict().keys()
    assert validated <= trained
    # What makes no image is not there to be asked for.
    left_out = {key.split('.')[0] for key in trained - validated}
    assert left_out <= {'discriminator', 'regularizers'}
    assert {p.device.type for p in training.parameters()} == {'meta'}
    for half in (config.trainer, config.validator):
        for transform in half.dataset.transforms:
            TRANSFORMS.build(transform)
        for callback in half.callbacks:
            CALLBACKS.build(callback)
    for metric in config.validator.metrics.values():
        METRICS.build(metric)


@pytest.mark.parametrize('config', TRAINED, ids=str, indirect=True)
def test_optimizers_share_the_parameters_out(config: Config) -> None:
    """Each trainable parameter belongs to exactly one optimizer.

    Where none has it, the codebook moves by counting alone.
    """
    from vq.runners.parameters import groups

    with torch.device('meta'):
        model = MODELS.build(config.trainer.model)
    optimizers = config.trainer.get('optimizers') or {}
    taken = [
        name
        for optimizer, spec in optimizers.items()
        for name in groups(model, spec.params, optimizer=optimizer)[1]
    ]
    left = [
        f'{name}.codebook'
        for name, module in model.named_modules()
        if type(module).__name__ in COUNTED and module.codebook.requires_grad
    ]
    assert sorted([*taken, *left]) == sorted(
        k for k, p in model.named_parameters() if p.requires_grad
    )
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize('config', TRAINED, ids=str, indirect=True)
def test_the_checkpoint_comes_last(config: Config) -> None:
    assert config.trainer.callbacks[-1].type == 'CheckpointCallback'


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_an_experiment_is_a_base_list_and_a_difference(path: Path) -> None:
    text = (ROOT / path).read_text()
    code = text.split('"""', 2)[2].strip().splitlines()
    assert len(code) <= MAX_LINES
    assert text.startswith('"""')


@pytest.mark.parametrize('path', BASES, ids=str)
def test_every_fragment_loads_alone(path: Path) -> None:
    options = OPTIONS.get(str(path))
    assert load(ROOT / path, options=options).path == ROOT / path


IMAGES = dict(l1='L1', mse='MSE', psnr='PSNR', ssim='SSIM')
FEATURES = dict(cosine_loss='CosineLossMetric')
CLASSES = dict(accuracy='AccuracyMetric', cross_entropy='CrossEntropyMetric')
_PARTS = dict.fromkeys(('psnr', 'ssim', 'rfid', 'gfid'), 'PartMetric')
TOKENS = dict(tokens='TokenMetric', **_PARTS)
REPORTED = dict(
    VQGAN=dict(**IMAGES, fid='FIDMetric', lpips='LPIPSMetric'),
    VQKD=FEATURES,
    Cluster=dict(**FEATURES, inertia='InertiaMetric'),
    LinearProbe=CLASSES,
    ProposalNetwork=TOKENS,
)
SMALL = ('data/digits', 'data/photos')
TOO_MUCH = ('fid', 'rfid', 'gfid', 'lpips')  # for so few images
OWN = (
    'CSVDataset',
    'ClipDataset',
    'RandomSplitDataset',
)  # whoever has the images makes statistics


@pytest.mark.parametrize('config', TRAINED, ids=str, indirect=True)
def test_a_system_reports_what_papers_compare(config: Config) -> None:
    validator = config.validator
    expected = REPORTED[validator.model.type] | dict(codebook='CodebookMetric')
    if validator.dataset.get('data_root', '').startswith(SMALL):
        expected = {k: v for k, v in expected.items() if k not in TOO_MUCH}
    if validator.dataset.type in OWN:
        expected.pop('fid')
    found = {name: metric.type for name, metric in validator.metrics.items()}
    assert found == found | expected  # a system may report more


@pytest.mark.parametrize('config', TRAINED, ids=str, indirect=True)
def test_fid_compares_with_the_same_images_cut_in_the_same_way(config: Config) -> None:
    if 'fid' not in config.validator.metrics:
        return
    # None finds the statistics by the images.
    reference = config.validator.metrics.fid.reference or 'imagenet_val'
    name = reference.removesuffix('_val')
    made = load(ROOT / 'configs' / 'fid' / f'{name}.py').validator.dataset
    assert made == config.validator.dataset
