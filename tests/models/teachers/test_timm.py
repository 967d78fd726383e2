"""TimmTeacher: other sizes, files under other names."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models.teachers.setups import HALF, SETUPS, Setup, of_timm, picture
from vq.checkpoints.files import CheckpointError
from vq.images import normalize
from vq.registry import MODELS
from vq.runners.base import build_model

RESIZED = ['dino', 'dinov2', 'dinov3', 'siglip2']


@pytest.mark.parametrize('name', RESIZED)
@torch.no_grad()
def test_another_size_is_that_of_timm(name: str, tmp_path: Path) -> None:
    setup = SETUPS[f'timm {name}'](tmp_path)
    image = picture(48)
    features = setup.build()(image)
    setup.network.set_input_size(img_size=48)
    expected = setup.expected(setup.normalize(image))
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def rewrite(setup: Setup, weights: dict[str, Tensor]) -> None:
    """Put other weights into a setup's file."""
    torch.save(weights, setup.config['weights'])


def test_the_names_of_dinov2s_authors_are_known(tmp_path: Path) -> None:
    setup = of_timm('tiny_dinov2', tmp_path)
    expected = setup.build()(picture())
    weights = setup.network.state_dict()
    registers = weights.pop('reg_token')
    # There the class token has a position, which timm adds to it once and for all.
    position = torch.randn(1, 1, 16)
    weights['cls_token'] = weights['cls_token'] - position
    weights['pos_embed'] = torch.cat([position, weights['pos_embed']], dim=1)
    weights |= dict(register_tokens=registers, mask_token=torch.zeros(1, 16))
    rewrite(setup, {k: v for k, v in weights.items() if not k.startswith('head')})
    features = setup.build()(picture())
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)


def test_classifiers_and_pooling_are_left_out(tmp_path: Path) -> None:
    setup = of_timm('tiny_siglip', tmp_path, HALF)
    expected = setup.build()(picture())
    weights = setup.network.state_dict()
    assert any(key.startswith('attn_pool.') for key in weights)
    rewrite(setup, weights | {'head.weight': torch.ones(5, 16)})
    teacher = setup.build()
    assert torch.equal(teacher(picture()), expected)
    assert not any('pool' in key for key in teacher.network.state_dict())


def test_runners_build_it_inside_a_model(tmp_path: Path) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    model = build_model(dict(type='TeacherEncoder', teacher=setup.config))
    features = model(normalize(picture()))
    torch.testing.assert_close(features, setup.build()(picture()))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    weights = setup.network.state_dict()
    rewrite(setup, weights | {'blocks.2.norm1.weight': torch.ones(16)})
    with pytest.raises(CheckpointError, match=r"1 unexpected \['blocks\.2"):
        setup.build()
    rewrite(setup, weights | {'norm.weight': torch.ones(8)})
    with pytest.raises(CheckpointError, match=r"1 of another shape \['norm\.weight"):
        setup.build()
    del weights['norm.weight']
    rewrite(setup, weights)
    with pytest.raises(CheckpointError, match=r"1 keys are missing \['norm\.weight"):
        setup.build()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no model 'tiny_dimo'; near: \['tiny_dino"):
        MODELS.build(dict(type='TimmTeacher', model='tiny_dimo', weights=''))
