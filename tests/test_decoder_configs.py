"""Pixel decoders: the reconstruction config with the tokenizer and data of another."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from vq.config import Config, check, load
from vq.registry import MODELS

ROOT = Path(__file__).parents[1]
DECODERS = dict(
    vqgan='configs/vqgan/8192_dd2_aglwg075_imagenet_ddp.py',
    llamagen='configs/llamagen/vqgan_imagenet_ddp.py',
)
TOKENIZERS = [
    'configs/vqgan/1024_imagenet_ddp.py',
    'configs/vqgan/8192_sa_med2d_20m_ddp.py',
    'configs/fsq/8000_imagenet_ddp.py',
    'configs/ibq/16384_imagenet_ddp.py',
    'configs/rqvae/16384x4_imagenet_ddp.py',
    'configs/llamagen/vqgan_384_imagenet_ddp.py',
]
VQKD = 'configs/vqkd/clip_8192_imagenet_ddp.py'
WITHOUT_PIXELS = [VQKD, 'configs/cluster/clip_8192_imagenet_ddp.py']
OF_CODEBOOKS = ('CodebookCallback', 'RevivalCallback', 'AnnealCallback')
# The small sets are measured as they are, in experiments of their own.
DATASETS = sorted(
    path.stem
    for path in (ROOT / 'configs/_base_/datasets').glob('*.py')
    if path.stem not in ('digits', 'photos')
)


def decoder(name: str, it_config: str | Path, **options: Any) -> Config:
    """Return the config of a decoder for a tokenizer."""
    path = ROOT / f'configs/decoder/{name}.py'
    return load(path, options=dict(it_config=str(it_config), **options))


def written_out(ir_config: str | Path, it_config: str | Path) -> Any:
    """Return what a decoder's config is by the words of its page."""
    tree, other = copy.deepcopy(load(ir_config).tree), load(it_config)
    for half, theirs in (
        (tree.trainer, other.trainer),
        (tree.validator, other.validator),
    ):
        half.model.tokenizer = other.validator.model.tokenizer
        half.model.pre_decode.in_dim = None
        half.model.frozen = ['tokenizer']
        half.dataset = dict(theirs.dataset, transforms=half.dataset.transforms)
    trainer = tree.trainer
    trainer.optimizers.generator.params = ['pre_decode', 'decoder']
    trainer.callbacks = [c for c in trainer.callbacks if c.type not in OF_CODEBOOKS]
    tree.validator.metrics.fid.reference = None
    return tree


def own(folder: Path, *fragments: str, **content: Any) -> Path:
    """Write a user's own tokenizer config on fragments, and return its path."""
    bases = [str(ROOT / f'configs/_base_/{name}.py') for name in fragments]
    lines = [
        f'{key} = {value!r}' for key, value in dict(_base_=bases, **content).items()
    ]
    path = folder / 'own.py'
    path.write_text('\n'.join(lines))
    return path


@pytest.mark.parametrize('it_config', TOKENIZERS + WITHOUT_PIXELS)
@pytest.mark.parametrize('name', DECODERS)
def test_borrowed_is_written_out(name: str, it_config: str, tmp_path: Path) -> None:
    config = decoder(name, it_config)
    assert config.tree == written_out(DECODERS[name], it_config)
    load(it_config).dump(tmp_path / 'dump.py')
    assert decoder(name, tmp_path / 'dump.py') == config
    config.dump(tmp_path / f'{name}.py')
    assert load(tmp_path / f'{name}.py') == config
    check(config)


@pytest.mark.parametrize('it_config', TOKENIZERS)
def test_the_decoder_fits_the_tokenizer(it_config: str) -> None:
    config = decoder('vqgan', it_config)
    with torch.device('meta'):
        model = MODELS.build(config.trainer.model)
        tokenizer = MODELS.build(load(it_config).validator.model).tokenizer
        image = torch.empty(1, 3, 64, 64)
        assert model.decode(torch.empty(1, tokenizer.quantizer.dim, 4, 4)).shape == (
            image.shape
        )
    shapes = {key: value.shape for key, value in tokenizer.state_dict().items()}
    assert {k: v.shape for k, v in model.tokenizer.state_dict().items()} == shapes
    assert model.tokenizer.codebook_size == tokenizer.codebook_size


def test_a_tokenizer_of_a_users_own_trains_at_the_size_of_the_decoder(
    tmp_path: Path,
) -> None:
    crop = [dict(type='CenterCrop', size=224)]
    data = dict(type='FolderDataset', data_root='mine', transforms=crop)
    codes = dict(tokenizer=dict(quantizer=dict(codebook_size=77)))
    fragments = ('models/vqgan', 'schedules/vqgan')
    path = own(tmp_path, *fragments, model=codes, train_dataset=data, val_dataset=data)
    config = decoder('llamagen', path)
    assert config.tree == written_out(DECODERS['llamagen'], path)
    dataset = config.trainer.dataset
    assert (dataset.data_root, dataset.transforms[0].size) == ('mine', 256)
    assert config.trainer.model.tokenizer.quantizer.codebook_size == 77
    small = decoder('llamagen', path, image_size=128)
    assert small.trainer.dataset.transforms[0].size == 128


def test_a_tokenizer_that_learnt_at_another_size() -> None:
    """VQ-KD's, of 224 px, gives 16x16 tokens at the decoder's 256 px."""
    with torch.device('meta'):
        model = MODELS.build(decoder('vqgan', VQKD).validator.model)
        found = model(torch.empty(1, 3, 256, 256))
    assert found.image.shape == (1, 3, 256, 256)
    assert found.quantized.tokens.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ('name', 'millions'), [('vqkd', 86.4), ('vqkd_large', 632.6), ('movq', 42.2)]
)
def test_other_decoders(name: str, millions: float) -> None:
    config = decoder('vqgan', TOKENIZERS[0], decoder=name)
    check(config)
    with torch.device('meta'):
        model = MODELS.build(config.validator.model)
        assert model.decode(torch.empty(2, 256, 16, 16)).shape == (2, 3, 256, 256)
    number = sum(parameter.numel() for parameter in model.decoder.parameters())
    assert round(number / 1e6, 1) == millions


def test_another_reconstruction_config(tmp_path: Path) -> None:
    f8 = 'configs/llamagen/vqgan_256_f8_imagenet_ddp.py'
    tokenizer = own(tmp_path, 'models/vqgan', 'models/f8', 'datasets/satin')
    config = decoder('vqgan', tokenizer, ir_config=f8)
    assert config.tree == written_out(f8, tokenizer)
    with torch.device('meta'):
        MODELS.build(config.validator.model)


@pytest.mark.parametrize('dataset', DATASETS)
def test_the_validated_images_are_those_of_the_statistics(
    dataset: str, tmp_path: Path
) -> None:
    """So `reference=None` finds what `vq.fid` writes for each data set."""
    roots = dict(train_root='a', val_root='b') if dataset == 'folder' else {}
    fragments = ('models/vqgan', f'datasets/{dataset}', 'augment/default')
    path = own(tmp_path, *fragments)
    statistics = load(ROOT / f'configs/fid/{dataset}.py', options=roots)
    config = decoder('vqgan', path, **roots)
    assert config.validator.dataset == statistics.validator.dataset
