"""What holds for every teacher: it answers as its library does, and stays frozen."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.log import recorded
from tests.models.teachers.setups import PATCH, SETUPS, Setup, picture
from vq import paths
from vq.registry import MODELS
from vq.runners.base import build_model

# Convolutions see beyond their patch.
TRANSFORMERS = [name for name in SETUPS if 'convnext' not in name]


@pytest.fixture(params=SETUPS, scope='module')
def setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Setup:
    return SETUPS[request.param](tmp_path_factory.mktemp('setup'))


@torch.no_grad()
def test_features_are_those_of_the_library(setup: Setup) -> None:
    image = picture(setup.size)
    teacher = setup.build()
    features = teacher(image)
    expected = setup.expected(setup.normalize(image))
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
    side = setup.size // teacher.downscale
    assert features.shape == (2, teacher.out_dim, side, side)
    assert features.dtype == torch.float32
    assert len(teacher.sha256) == 64
    for parameter in teacher.parameters():
        assert torch.isfinite(parameter).all() and not parameter.requires_grad


def test_pixels_are_normalized_on_their_own_scale(setup: Setup) -> None:
    # Those of 0 to 255, normalized on 0 to 1, were about 1000 in the reference.
    image = picture(setup.size)
    found = setup.build().prepare(image.float())
    torch.testing.assert_close(found, setup.normalize(image), rtol=1e-5, atol=1e-5)
    assert found.abs().max() < 3


def without_attention(network: nn.Module) -> None:
    """Let no patch see another one."""
    for name, value in network.named_parameters():
        output = ('proj', 'out_proj', 'dense', 'o_proj')
        parts = name.split('.')
        if any('att' in part for part in parts) and parts[-2] in output:
            nn.init.zeros_(value)


@pytest.mark.parametrize('setup', TRANSFORMERS, indirect=True)
def test_a_moved_patch_moves_its_own_features(setup: Setup) -> None:
    teacher = setup.build()
    without_attention(teacher.network)
    image = picture(number=1)
    before = teacher(image)
    for row, column in [(0, 0), (1, 2), (3, 3)]:
        changed = image.clone()
        rows = slice(PATCH * row, PATCH * (row + 1))
        columns = slice(PATCH * column, PATCH * (column + 1))
        changed[:, :, rows, columns] = 255 - image[:, :, rows, columns]
        moved = (teacher(changed) - before).abs().amax(dim=(0, 1)) > 1e-4
        assert moved.nonzero().tolist() == [[row, column]]


def test_other_sizes_and_grids(setup: Setup) -> None:
    teacher = setup.build()
    patch = teacher.downscale
    wide = picture(4 * patch)[:, :, : 2 * patch]
    assert teacher(wide).shape == (2, teacher.out_dim, 2, 4)
    before = {k: v.clone() for k, v in teacher.network.state_dict().items()}
    larger = picture(6 * patch)
    features = teacher(larger)
    assert features.shape[-2:] == (6, 6)
    # Positions are resized on the way: what is stored stays.
    after = teacher.network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    resized = setup.build(grid=3)(larger)
    expected = functional.interpolate(features, (3, 3), mode='bicubic')
    torch.testing.assert_close(resized, expected)
    small = setup.build(size=2 * patch)(larger)
    assert small.shape[-2:] == (2, 2)
    with pytest.raises(ValueError, match=rf'its patch of {patch} divides'):
        teacher(picture(4 * patch + 1))


def test_bf16_inside_float32_outside(setup: Setup) -> None:
    image = picture(setup.size)
    exact, rough = (setup.build(precision=p)(image) for p in ('float32', 'bf16'))
    error = (exact - rough).abs().mean() / exact.abs().mean()
    assert rough.dtype == torch.float32
    assert 1e-5 < error < 0.05
    with torch.autocast('cpu', dtype=torch.bfloat16):  # of the run
        assert torch.equal(setup.build(precision='float32')(image), exact)


@pytest.mark.gpu
def test_gpus_compute_in_bf16_by_themselves(setup: Setup, tmp_path: Path) -> None:
    image = picture(setup.size)
    exact = setup.build()(image)
    cached = dict(type='CachedTeacher', teacher=setup.config, folder=str(tmp_path))
    for config in (setup.config, cached):
        teacher = build_model(config).cuda()
        for _ in range(2):
            features = teacher(image.cuda())
            assert features.is_cuda and features.dtype == torch.float32
            error = (features.cpu() - exact).abs().mean() / exact.abs().mean()
            assert 1e-5 < error < 0.05


class Student(nn.Module):
    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.own = nn.Conv2d(3, 3, 1)
        self.teacher = teacher

    def forward(self, image: Tensor) -> Tensor:
        return self.own(image.float()).mean() * self.teacher(image).mean()


def test_teachers_are_frozen_and_no_part_of_a_checkpoint(setup: Setup) -> None:
    student = Student(setup.build()).train().requires_grad_(True).train()
    image = picture(setup.size)
    before = student.teacher(image)
    assert set(student.state_dict()) == {'own.weight', 'own.bias'}
    student(image).backward()
    trained = {name for name, p in student.named_parameters() if p.requires_grad}
    assert trained == {'own.weight', 'own.bias'}  # what DDP looks at
    assert student.own.weight.grad is not None and not before.requires_grad
    assert all(p.grad is None for p in student.teacher.parameters())
    assert not any(module.training for module in student.teacher.modules())
    student.load_state_dict(student.state_dict(), strict=True)
    assert torch.equal(student.teacher(image), before)


def test_what_is_not_uint8_is_refused(setup: Setup) -> None:
    with pytest.raises(TypeError, match='must be uint8'):
        setup.build()(picture(setup.size).float())


def test_an_unknown_precision_is_refused() -> None:
    cfg = dict(type='PCATeacher', weights='', precision='fp16')
    with pytest.raises(ValueError, match='precision must be one of'):
        MODELS.build(cfg)


@pytest.mark.parametrize(
    ('type_', 'model', 'weights', 'command'),
    [
        ('TimmTeacher', 'tiny_dino', 'dinov2/vitb14_reg4', 'dinov2'),
        ('TorchvisionTeacher', 'tiny_vit', 'torchvision/vit_b_16', 'torchvision'),
        (
            'TimmTeacher',
            'tiny_dino',
            'openclip/ViT-H-14',
            'openclip --weights ViT-H-14',
        ),
    ],
)
def test_a_missing_file_names_the_command(
    type_: str,
    model: str,
    weights: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    monkeypatch.delenv('DRY_RUN', raising=False)
    teacher = MODELS.build(dict(type=type_, model=model, weights=weights))
    prepare = rf'is missing; run: python tools/prepare_checkpoints\.py {command}$'
    with pytest.raises(FileNotFoundError, match=prepare):
        teacher.load_pretrained()
    monkeypatch.setenv('DRY_RUN', 'True')
    with recorded() as log:
        teacher.load_pretrained()
    assert len(log.warnings) == 1 and 'is random' in log.warnings[0]
    assert teacher.sha256 == 'random'
    assert paths.resolve('pretrained').parent == tmp_path
