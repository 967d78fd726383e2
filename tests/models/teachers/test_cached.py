"""CachedTeacher: the same features, from disk, and never another's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.log import recorded
from tests.models.teachers.setups import of_pca, of_timm, picture
from vq.models.teachers import CachedTeacher
from vq.models.teachers import cached as module
from vq.runners.base import build_model


class Counting:
    """Counts the pictures that a teacher sees."""

    def __init__(self, cached: CachedTeacher) -> None:
        self.seen = 0
        cached.teacher.register_forward_pre_hook(self.count)

    def count(self, _: Any, args: tuple[Tensor]) -> None:
        self.seen += len(args[0])


def build(teacher: dict[str, Any], folder: Path, **options: Any) -> Any:
    cfg = dict(type='CachedTeacher', teacher=teacher, folder=str(folder / 'cache'))
    return build_model(cfg | options)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob('*') if path.is_file())


def test_equal_to_the_teacher_itself(tmp_path: Path) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    image = picture(number=4)
    expected = setup.build()(image)
    cached = build(setup.config, tmp_path)
    counting = Counting(cached)
    assert torch.equal(cached(image), expected)
    assert torch.equal(cached(image), expected)
    other = torch.cat([picture(seed=1), image[2:]])
    torch.testing.assert_close(cached(other), setup.build()(other))
    assert counting.seen == 6
    # Another process finds them.
    again = build(setup.config, tmp_path)
    counting = Counting(again)
    assert torch.equal(again(image.flip(0)), expected.flip(0))
    assert counting.seen == 0
    assert (again.out_dim, again.downscale) == (16, 8)
    assert len(files(tmp_path / 'cache')) == 6


def test_half_precision_rounds_at_the_first_sight_too(tmp_path: Path) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    image = picture()
    expected = setup.build()(image).half().float()
    cached = build(setup.config, tmp_path, dtype='float16')
    assert torch.equal(cached(image), expected)
    assert torch.equal(cached(image), expected)
    whole = build(setup.config, tmp_path)(image)
    assert not torch.equal(whole, expected)
    sizes = [path.stat().st_size for path in files(tmp_path / 'cache')]
    assert len(sizes) == 4 and min(sizes) < max(sizes)


def test_another_teacher_has_features_of_its_own(tmp_path: Path) -> None:
    setup = of_timm('tiny_dino', tmp_path)
    image = picture()
    build(setup.config, tmp_path)(image)
    for changes in (dict(grid=2), dict(size=16), dict(precision='bf16')):
        expected = setup.build(**changes)(image)
        assert torch.equal(build(setup.config | changes, tmp_path)(image), expected)
    (tmp_path / 'other').mkdir()
    other = of_timm('tiny_dinov2', tmp_path)
    torch.save(
        {k: v + 1 for k, v in setup.network.state_dict().items()},
        tmp_path / 'other' / 'tiny_dino.pth',
    )
    moved = setup.config | dict(weights=str(tmp_path / 'other' / 'tiny_dino.pth'))
    for config in (other.config, moved):
        uncached = build_model(config)
        assert torch.equal(build(config, tmp_path)(image), uncached(image))
    assert len(list((tmp_path / 'cache').iterdir())) == 6


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    setup = of_pca(tmp_path)
    cached = build(setup.config, tmp_path)
    expected = cached(picture())
    for path, content in zip(files(tmp_path / 'cache'), [b'', b'x' * 99], strict=True):
        path.write_bytes(content)
    with recorded() as log:
        assert torch.equal(cached(picture()), expected)
        assert torch.equal(cached(picture()), expected)
    assert len(log.warnings) == 2
    assert all('is damaged and will be written again' in w for w in log.warnings)


def test_random_weights_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    cfg = dict(type='PCATeacher', weights='nowhere.safetensors', patch=8, dim=4)
    cached = build(cfg, tmp_path)
    assert torch.equal(cached(picture()), cached.teacher(picture()))
    assert not (tmp_path / 'cache').exists()


def test_writing_stops_where_pictures_never_come_again(tmp_path: Path) -> None:
    setup = of_pca(tmp_path)
    cached = build(setup.config, tmp_path, patience=4)
    with recorded() as log:
        for seed in range(5):
            image = picture(seed=seed)
            assert torch.equal(cached(image), cached.teacher(image))
    assert log.warnings == [
        'no more features are written: none of 4 pictures had been seen before'
    ]
    assert len(files(tmp_path / 'cache')) == 4


def test_writing_stops_at_the_limit(tmp_path: Path) -> None:
    setup = of_pca(tmp_path)
    size = 16 * 4 * 4 * 4  # bytes of features
    limit = dict(limit_gb=3.5 * size / 1e9)
    with recorded() as log:
        for _ in range(2):  # what an earlier run wrote counts too
            cached = build(setup.config, tmp_path, **limit)
            for seed in range(3):
                image = picture(seed=seed)
                assert torch.equal(cached(image), cached.teacher(image))
    assert len(files(tmp_path / 'cache')) == 3
    assert len(log.warnings) == 2 and 'cache is full: limit_gb' in log.warnings[0]


def test_a_full_disk_is_no_error(tmp_path: Path) -> None:
    setup = of_pca(tmp_path)
    (tmp_path / 'cache').write_text('a file where the folder should be')
    cached = build(setup.config, tmp_path)
    with recorded() as log:
        assert torch.equal(cached(picture()), cached.teacher(picture()))
    assert any('no more features are written' in text for text in log.warnings)


def test_ranks_share_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'world_size', lambda: 2)
    setup = of_pca(tmp_path)
    size = 16 * 4 * 4 * 4  # bytes of features
    ranks = [build(setup.config, tmp_path, limit_gb=6.5 * size / 1e9) for _ in range(2)]
    for seed in range(8):
        image = picture(seed=seed, number=1)
        assert torch.equal(ranks[seed % 2](image), setup.build()(image))
    # The second begins to count when the first has written something.
    assert 4 <= len(files(tmp_path / 'cache')) <= 6
    # What one has written, the other finds.
    counting = Counting(ranks[1])
    ranks[1](picture(seed=0, number=1))
    assert counting.seen == 0


def test_it_is_frozen_and_no_part_of_a_checkpoint(tmp_path: Path) -> None:
    cached = build(of_pca(tmp_path).config, tmp_path).train()
    assert cached.state_dict() == {}
    assert not any(module.training for module in cached.modules())
    assert not any(p.requires_grad for p in cached.parameters())


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='dtype must be one of'):
        build(of_pca(tmp_path).config, tmp_path, dtype='int8')
