"""A spill gives back what was written, also to the next process."""

from pathlib import Path

import numpy as np
import pytest

from vq.patches import spill as module
from vq.patches.choosing import Plan
from vq.patches.spill import Spill

PLAN = Plan(
    codes=np.array([3, 9], np.uint32),
    starts=np.array([0, 2, 5]),
    images=np.array([7, 1, 1, 4, 7]),
    places=np.array([0, 1, 2, 3, 4]),
)
SHAPE = (2, 3, 3)
PIXELS = np.random.default_rng(0).integers(256, size=(5, *SHAPE), dtype=np.uint8)


def test_an_interrupted_spill_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / 'spill'
    assert Spill.plan_in(folder) is None
    with (
        pytest.raises(KeyboardInterrupt),
        Spill(folder, plan=PLAN, shape=SHAPE) as spill,
    ):
        spill.write(np.array([4, 1]), PIXELS[[4, 1]], read=2)
        raise KeyboardInterrupt
    plan = Spill.plan_in(folder)
    assert plan is not None
    for name in Plan.__slots__:
        assert np.array_equal(getattr(plan, name), getattr(PLAN, name))
    with Spill(folder, plan=plan, shape=SHAPE) as spill:
        assert spill.read == 2
        spill.write(np.array([0, 2, 3]), PIXELS[[0, 2, 3]], read=3)
        assert np.array_equal(spill.patches(0), PIXELS[:2])
        assert np.array_equal(spill.patches(1), PIXELS[2:])
        spill.remove()
    assert not folder.exists()


def test_notes_are_regular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'MARK', -1.0)
    killed = Spill(tmp_path / 'spill', plan=PLAN, shape=SHAPE)
    killed.write(np.array([0]), PIXELS[:1], read=1)
    spill = Spill(tmp_path / 'spill', plan=PLAN, shape=SHAPE)
    assert spill.read == 1 and np.array_equal(spill.patches(0)[0], PIXELS[0])


def test_patches_of_another_size_begin_anew(tmp_path: Path) -> None:
    with Spill(tmp_path / 'spill', plan=PLAN, shape=SHAPE) as spill:
        spill.write(np.array([0]), PIXELS[:1], read=1)
    assert Spill(tmp_path / 'spill', plan=PLAN, shape=(4, 4, 3)).read == 0


def test_a_full_disk_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(module.os, 'posix_fallocate', full)
    with pytest.raises(OSError, match='No space left'):
        Spill(tmp_path / 'spill', plan=PLAN, shape=SHAPE)
    assert Spill.plan_in(tmp_path / 'spill') is None
