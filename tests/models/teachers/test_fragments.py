"""Full-size teachers fit the decoders beside them, and the published files."""

import functools
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import pytest
import timm
import torch
from mmengine.config import Config
from torchvision import models

from tests.conversion.networks import published
from tests.models.teachers.setups import CLIP, HALF, IMAGENET
from vq.models.teachers import Teacher
from vq.pretrained import TABLE
from vq.registry import MODELS

FOLDER = Path(__file__).parents[3] / 'configs' / '_base_' / 'teachers'
FILES = sorted(FOLDER.glob('*.py'))
# Of the published networks.
WIDTHS = dict(
    clip=512,
    convnext=1024,
    dino=768,
    dinov2=768,
    dinov3=768,
    evaclip=768,
    mae=768,
    openclip_H_14=1024,
    openclip_L_14=768,
    openclip_bigG_14=1280,
    siglip2=768,
    vit=768,
)
# Of their training; LAION's L/14 is not like the larger ones.
PIXELS = dict.fromkeys(WIDTHS, IMAGENET) | dict(
    clip=CLIP,
    evaclip=CLIP,
    openclip_H_14=CLIP,
    openclip_L_14=HALF,
    openclip_bigG_14=CLIP,
    siglip2=HALF,
)


def fragment(name: str) -> Any:
    return Config.fromfile(FOLDER / f'{name}.py').model


@functools.cache
def build(name: str) -> Any:
    """Build a full-size teacher that takes no memory, and note its pixels' scale."""
    original = Teacher.set_pixels
    patch = mock.patch.object(Teacher, 'set_pixels', autospec=True)
    with torch.device('meta'), patch as call:
        call.side_effect = original
        teacher = MODELS.build(fragment(name).teacher)
    teacher.noted = tuple(map(tuple, call.call_args.args[1:]))
    return teacher


def place(teacher: Any) -> str:
    """Return where the tables of the libraries have the weights of this very model."""
    if teacher.type == 'TorchvisionTeacher':
        url: str = models.get_model_weights(teacher.model)['IMAGENET1K_V1'].url
        return url
    if teacher.type == 'TimmTeacher':
        row = timm.get_pretrained_cfg(teacher.model).to_dict()
        hub = row['hf_hub_id']
    else:
        pretraining = teacher.get('pretraining', 'openai')
        row = open_clip.get_pretrained_cfg(teacher.model, pretraining)
        hub = row['hf_hub']
    return row.get('url') or f'https://huggingface.co/{hub.strip("/")}/resolve/main/'


def test_all_are_listed() -> None:
    assert [path.stem for path in FILES] == sorted(WIDTHS)


@pytest.mark.parametrize('name', WIDTHS)
@torch.no_grad()
def test_features_fit_the_decoder(name: str) -> None:
    teacher = build(name)
    image = torch.empty(1, 3, 224, 224, device='meta')
    features = teacher.fit(teacher.dense(teacher.prepare(image)))
    assert features.shape == (1, WIDTHS[name], 14, 14)
    assert teacher.out_dim == fragment(name).decoder.out_dim == WIDTHS[name]
    assert teacher.downscale == dict(convnext=32, dinov2=14).get(
        name, 14 if name.endswith('_14') else 16
    )
    assert teacher.weights in TABLE


@pytest.mark.parametrize('name', WIDTHS)
def test_the_file_is_that_of_the_model(name: str) -> None:
    """A file may fit another network, too, such as one of another activation."""
    teacher = fragment(name).teacher
    assert TABLE[teacher.weights].url.startswith(place(teacher))
    assert build(name).noted == PIXELS[name]


@pytest.mark.parametrize(
    ('name', 'keys'),
    [
        ('dino', 'dino_vitb16'),
        ('mae', 'mae_vitb16_encoder'),
        ('clip', 'openai_clip_vitb16'),
        ('clip', 'openai_clip_vitb16_visual'),
        ('clip', 'open_clip_vitb16_quickgelu_visual'),
    ],
)
def test_published_keys_fit(name: str, keys: str) -> None:
    teacher = build(name)
    weights = published(keys)
    own = teacher.network.state_dict()
    prefix = 'visual.' if name == 'clip' else ''
    assert {f'{prefix}{key}': value.shape for key, value in own.items()} == {
        key: value.shape for key, value in weights.items() if key.startswith(prefix)
    }
    teacher._load(weights, Path(keys))  # nothing is missing, nothing left over
