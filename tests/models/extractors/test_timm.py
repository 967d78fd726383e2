"""TimmExtractor sees what timm's own network and transform see."""

import sys
from pathlib import Path
from typing import Any, cast

import pytest
import timm
import torch
from einops import rearrange
from PIL import Image
from skimage import data
from torch import Tensor

from vq.checkpoints.files import CheckpointError, sha256
from vq.models.extractors import TimmExtractor
from vq.models.extractors.resizing import antialiased
from vq.runners.base import build_model

# test_mambaout's head is wider than its maps; test_vit has position embeddings.
NAMES = ['test_vit', 'test_mambaout', 'test_resnet']


def save(model: str, folder: Path, **options: Any) -> tuple[torch.nn.Module, Path]:
    """Return a network of timm with its classifier, and where its weights are."""
    network = timm.create_model(model, **options).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn_like(value))
    path = folder / f'{model}.pth'
    torch.save(network.state_dict() | dict(mask_token=torch.zeros(1)), path)
    return network, path


def build(model: str, path: Path, **options: Any) -> TimmExtractor:
    cfg = dict(type='TimmExtractor', model=model, weights=str(path), **options)
    return cast(TimmExtractor, build_model(cfg))  # as runners do


def photo(size: int) -> tuple[Tensor, Image.Image]:
    picture = data.astronaut()[:size, :size]
    return rearrange(torch.tensor(picture), 'h w c -> 1 c h w'), Image.fromarray(
        picture
    )


@pytest.mark.parametrize('model', NAMES)
def test_equals_timm(model: str, tmp_path: Path) -> None:
    network, path = save(model, tmp_path)
    config = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**(config | dict(crop_pct=1.0)))
    image, picture = photo(config['input_size'][-1])
    with torch.no_grad():
        maps = network.forward_features(transform(picture)[None])
        expected = network.forward_head(maps, pre_logits=True)
    extractor = build(model, path)
    features = extractor(image)
    torch.testing.assert_close(features.pooled, expected, rtol=1e-4, atol=1e-5)
    assert features.pooled.shape == (1, extractor.dim)
    assert features.logits is None and features.spatial is None


@pytest.mark.parametrize('model', NAMES)
def test_another_size(model: str, tmp_path: Path) -> None:
    network, path = save(model, tmp_path)
    if hasattr(network, 'set_input_size'):
        network.set_input_size(img_size=96)
    config = timm.data.resolve_model_data_config(network)
    mean, std = (
        rearrange(torch.tensor(config[k]), 'c -> c 1 1') for k in ('mean', 'std')
    )
    image, _ = photo(130)
    pixels = (antialiased(image.float(), 96) / 255 - mean) / std
    with torch.no_grad():
        maps = network.forward_features(pixels)
        expected = network.forward_head(maps, pre_logits=True)
    extractor = build(model, path, size=96)
    features = extractor(image).pooled
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    assert not any(value.requires_grad for value in extractor.parameters())


def test_the_stamp_says_network_size_and_weights(tmp_path: Path) -> None:
    _, path = save('test_vit', tmp_path)
    assert build('test_vit', path).stamp() == dict(
        extractor='timm/test_vit',
        resizer='antialiased 160',
        weights=sha256(path),
        dtype='float32',
    )
    assert build('test_vit', path, size=96).stamp()['resizer'] == 'antialiased 96'


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        (dict(depth=7), r"0 keys are missing \[\], 12 unexpected \['blocks\.6"),
        (dict(embed_dim=128), 'of another shape'),
    ],
)
def test_weights_of_another_network_are_refused(
    other: dict[str, Any], message: str, tmp_path: Path
) -> None:
    _, path = save('test_vit', tmp_path, **other)
    with pytest.raises(CheckpointError, match=rf'test_vit\.pth is of .*{message}'):
        build('test_vit', path)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no model 'test_vitt'; near: .*'test_vit'"):
        TimmExtractor(model='test_vitt', weights='')


def test_a_size_with_half_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match=r'size 100 is no multiple of the patch \(16'):
        TimmExtractor(model='test_vit', weights='', size=100)


def test_without_timm_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[teachers\]'"):
        TimmExtractor(model='test_vit', weights='')


def test_a_dry_run_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    extractor = build('test_vit', Path('nowhere.pth'), size=96)
    image, _ = photo(64)
    assert extractor(image).pooled.shape == (1, extractor.dim)
