"""OpenCLIPTeacher: whole models, towers, OpenAI's programs; projected or not."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from tests.models.teachers.setups import CLIP, HALF, Setup, of_open_clip, picture
from vq.registry import MODELS

MODEL_NAMES = ['tiny-clip', 'tiny-eva']


def larger(setup: Setup, folder: Path) -> nn.Module:
    """Return open_clip's own model for 48 px, its positions resized by open_clip."""
    config = open_clip.get_model_config(setup.config['model'])
    config['vision_cfg']['image_size'] = 48
    file = folder / f'{setup.config["model"]}-48.json'
    file.write_text(json.dumps(config))
    open_clip.add_model_config(file)
    model = open_clip.create_model(file.stem, pretrained=None).eval()
    weights = setup.network.state_dict()
    open_clip.model.resize_pos_embed(weights, model)
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def test_another_size_is_that_of_open_clip(tmp_path: Path) -> None:
    setup = of_open_clip('tiny-clip', tmp_path)
    image = picture(48)
    tower = larger(setup, tmp_path).visual
    maps = tower.forward_intermediates(
        setup.normalize(image), indices=[-1], normalize_intermediates=True
    )['image_intermediates'][0]
    expected = torch.einsum('bchw,cd->bdhw', maps, tower.proj)
    features = setup.build()(image)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_another_size_of_a_trunk_is_that_of_timm(tmp_path: Path) -> None:
    setup = of_open_clip('tiny-eva', tmp_path)
    image = picture(48)
    teacher = setup.build()
    features = teacher(image)
    setup.network.visual.set_input_size(48)
    expected = setup.expected(setup.normalize(image))
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('model', MODEL_NAMES)
@torch.no_grad()
def test_without_the_projection(model: str, tmp_path: Path) -> None:
    setup = of_open_clip(model, tmp_path)
    image = picture()
    maps = setup.network.visual.forward_intermediates(
        setup.normalize(image), indices=[-1], normalize_intermediates=True
    )['image_intermediates'][0]
    teacher = setup.build(with_proj=False)
    torch.testing.assert_close(teacher(image), maps, rtol=1e-4, atol=1e-4)
    assert (teacher.out_dim, setup.build().out_dim) == (16, 12)


@pytest.mark.parametrize('model', MODEL_NAMES)
def test_a_tower_alone_is_enough(model: str, tmp_path: Path) -> None:
    setup = of_open_clip(model, tmp_path)
    features = setup.build()(picture())
    path = tmp_path / 'tower.pt'
    torch.save(setup.network.visual.state_dict(), path)
    assert torch.equal(setup.build(weights=str(path))(picture()), features)
    # The part that reads texts takes no memory.
    assert not any('text' in name for name, _ in setup.build().named_parameters())


@pytest.mark.filterwarnings('ignore:`torch.jit', 'ignore::torch.jit.TracerWarning')
def test_openais_programs_are_read(tmp_path: Path) -> None:
    setup = of_open_clip('tiny-clip', tmp_path)
    half = setup.network.half()
    texts = torch.zeros(2, 4, dtype=torch.int64)
    program = torch.jit.trace(
        half, (setup.normalize(picture()).half(), texts), check_trace=False
    )
    torch.jit.save(program, tmp_path / 'ViT-B-16.pt')
    features = setup.build(weights=str(tmp_path / 'ViT-B-16.pt'))(picture())
    torch.save(half.float().state_dict(), tmp_path / 'plain.pt')
    plain = setup.build(weights=str(tmp_path / 'plain.pt'))
    assert torch.equal(features, plain(picture()))
    assert plain.network.conv1.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ('model', 'pretraining', 'pixels'),
    [
        ('ViT-B-16-quickgelu', 'openai', CLIP),
        ('ViT-L-14', 'laion2b_s32b_b82k', HALF),
        ('ViT-H-14', 'laion2b_s32b_b79k', CLIP),
        ('EVA02-B-16', 'merged2b_s8b_b131k', CLIP),
    ],
)
def test_pixels_are_those_of_the_pretraining(
    model: str,
    pretraining: str,
    pixels: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = of_open_clip('tiny-clip', tmp_path)
    row = open_clip.pretrained._PRETRAINED[model]
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, 'tiny-clip', row)
    setup.pixels = pixels
    image = picture()
    found = setup.build(pretraining=pretraining).prepare(image.float())
    # On 0 to 255: the reference had them on 0 to 1, for pictures of 0 to 255.
    torch.testing.assert_close(found, setup.normalize(image), rtol=1e-5, atol=1e-5)


def built(**options: Any) -> Any:
    cfg = dict(type='OpenCLIPTeacher', weights='')
    with torch.device('meta'):
        return MODELS.build(cfg | options)


def test_what_would_be_slightly_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match='take ViT-L-14-quickgelu'):
        built(model='ViT-L-14')
    with pytest.raises(
        ValueError, match=r"no weights 'openai' of ViT-H-14; .*'laion2b"
    ):
        built(model='ViT-H-14')
    with pytest.raises(ValueError, match=r"no model 'ViT-B-61'; near: \['ViT-B-16"):
        built(model='ViT-B-61')
    with pytest.raises(ValueError, match='take with_proj=False'):
        built(model='ViT-B-16-SigLIP', pretraining='webli')
