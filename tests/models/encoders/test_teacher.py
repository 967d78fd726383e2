"""TeacherEncoder gives its teacher the very pixels of the picture."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.teachers.setups import of_pca, of_timm, picture
from vq.images import normalize
from vq.registry import MODELS
from vq.runners.base import build_model

QUANTIZER = dict(type='VectorQuantizer', codebook_size=8, dim=16)


def tokenizer(teacher: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a tokenizer of a teacher's features."""
    return dict(
        type='ImageTokenizer',
        encoder=dict(type='TeacherEncoder', teacher=teacher),
        post_encode=dict(type='Identity'),
        quantizer=QUANTIZER,
    )


@pytest.mark.parametrize('cached', [False, True])
def test_latents_are_the_teachers_features(tmp_path: Path, cached: bool) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    config: dict[str, Any] = setup.config
    if cached:
        config = dict(type='CachedTeacher', teacher=config, folder=str(tmp_path / 'c'))
    encoder: Any = build_model(dict(type='TeacherEncoder', teacher=config))
    image = picture()
    assert torch.equal(encoder(normalize(image)), setup.build()(image))
    assert torch.equal(encoder(normalize(image)), setup.build()(image))
    assert (encoder.out_dim, encoder.downscale) == (16, 8)
    assert (tmp_path / 'c').exists() == cached


@pytest.mark.parametrize('resized', [dict(size=24), dict(grid=3)], ids=str)
def test_what_is_resized_has_no_fixed_scale(
    tmp_path: Path, resized: dict[str, int]
) -> None:
    config = of_timm('tiny_dino', tmp_path).config | resized
    encoder: Any = build_model(dict(type='TeacherEncoder', teacher=config))
    assert encoder(normalize(picture())).shape[-1] * encoder.teacher.downscale == 24
    assert encoder.downscale is None


def test_all_levels_arrive(tmp_path: Path) -> None:
    encoder: Any = MODELS.build(
        dict(type='TeacherEncoder', teacher=of_pca(tmp_path).config)
    )
    levels = torch.arange(192, dtype=torch.uint8).reshape(1, 3, 8, 8)
    seen = []
    encoder.teacher.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for image in (levels, 255 - levels):
        encoder(normalize(image))
        assert torch.equal(seen[-1], image)


def test_a_tokenizers_checkpoint_holds_no_teacher(tmp_path: Path) -> None:
    config = tokenizer(of_pca(tmp_path).config)
    model: Any = build_model(config).train()
    state = model.state_dict()
    assert {key.split('.')[0] for key in state} == {'quantizer'}
    tokens = model.tokenize(normalize(picture()))
    assert tokens.shape == (2, 4, 4)
    other: Any = build_model(config)
    other.load_state_dict(state, strict=True)
    assert torch.equal(other.tokenize(normalize(picture())), tokens)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.split('.')[0] for name in trained} == {'quantizer'}
