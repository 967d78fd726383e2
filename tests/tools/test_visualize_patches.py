"""Every patch on a sheet has the colour that is its token, whatever the transforms."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.log import Records
from tests.patches.painting import corners, patches_on, tokenize
from tests.runs import TINY
from tests.tools.loading import load_tool
from vq import paths
from vq.runners.guards import WorkDirBusyError

CROP = [dict(type='Resize', size=256), dict(type='CenterCrop', size=224)]
RANDOM = [dict(type='RandomCrop', size=8), dict(type='RandomHorizontalFlip')]


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_tool('visualize_patches')


def noise(height: int, width: int, transforms: Any, length: int = 12) -> dict[str, Any]:
    return dict(
        type='NoiseDataset',
        length=length,
        height=height,
        width=width,
        transforms=transforms,
    )


def show(tool: ModuleType, store: Path, dataset: dict[str, Any], *words: Any) -> None:
    """Run the tool on the data set that was tokenized."""
    half = '.trainer' if '--train' in words else '.validator'
    override = ('--override', f'{half}.dataset:{dataset}')
    line = [str(TINY), str(store), *override, *map(str, words)]
    tool.run(tool.parser().parse_args(line))


def check_colours(out: Path, size: tuple[int, int], group: int = 0) -> int:
    """Compare all patches with the numbers of their sheets; return how many."""
    number = 0
    for sheet in out.glob('*.png'):
        patches = patches_on(sheet, size)
        assert (corners(patches, size)[..., group] == int(sheet.stem)).all()
        number += len(patches)
    return number


@pytest.mark.parametrize(
    ('dataset', 'patch'),
    [
        pytest.param(noise(300, 256, CROP, length=2), (16, 16), id='224 of 256'),
        pytest.param(noise(256, 341, CROP, length=2), (28, 14), id='8x16 of 224'),
        pytest.param(noise(12, 20, []), (3, 2), id='not square'),
        pytest.param(noise(20, 15, CROP[:1], length=1), (31, 32), id='enlarged'),
        pytest.param(noise(11, 14, RANDOM), (2, 4), id='random'),
    ],
)
def test_patches_have_the_colours_of_their_tokens(
    tool: ModuleType, tmp_path: Path, dataset: dict[str, Any], patch: tuple[int, int]
) -> None:
    store = tokenize(tmp_path, dataset, patch=patch)
    show(tool, store.root, dataset, '--scale', 1, '--patches', 99)
    total = len(store) * store.meta.grid[0] * store.meta.grid[1]
    assert check_colours(tmp_path / 'visualize_patches', patch) == total


def test_training_images_with_their_augmentation(
    tool: ModuleType, tmp_path: Path
) -> None:
    dataset = noise(11, 14, RANDOM)
    store = tokenize(tmp_path, dataset, patch=(2, 2))
    show(tool, store.root, dataset, '--train', '--scale', 3, '--patches', 99)
    # Pixels are repeated: each patch is 6x6, and its corner is the token all the same.
    assert check_colours(tmp_path / 'visualize_patches', (6, 6)) == 12 * 16
    with pytest.raises(ValueError, match='of other images.* pass --train'):
        show(tool, store.root, noise(11, 14, RANDOM, length=11))


def test_sub_tokens_have_sheets_of_their_own(tool: ModuleType, tmp_path: Path) -> None:
    dataset = noise(8, 8, [])
    store = tokenize(tmp_path, dataset, patch=(2, 2), channels=3)
    for group, name in enumerate(['', '_1', '_2']):
        words = ('--scale', 1, '--patches', 99, '--sub-token', group)
        show(tool, store.root, dataset, *words)
        out = tmp_path / f'visualize_patches{name}'
        assert check_colours(out, (2, 2), group) == 12 * 16


def test_a_larger_scale_shows_the_same_patches(
    tool: ModuleType, tmp_path: Path
) -> None:
    transforms = [dict(type='Resize', size=36), dict(type='CenterCrop', size=32)]
    dataset = dict(
        type='SyntheticDataset', length=3, size=53, transforms=transforms
    )  # smooth
    store = tokenize(tmp_path, dataset, patch=(8, 8))
    for scale in (1, 3):
        out = ('--out', tmp_path / str(scale))
        show(tool, store.root, dataset, '--scale', scale, *out)
    for sheet in (tmp_path / '1').glob('*.png'):
        small = patches_on(sheet, (8, 8)).astype(float)
        large = patches_on(tmp_path / '3' / sheet.name, (24, 24)).astype(float)
        means = large.reshape(len(large), 8, 3, 8, 3, 3).mean((2, 4))
        assert abs(means - small).mean() < 0.5


def test_the_command_says_what_it_found(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = noise(8, 8, [])
    store = tokenize(tmp_path, dataset, patch=(4, 4))
    out = ('--out', tmp_path / 'out', '--codes')
    token = int(store[0][0][0, 0])
    show(tool, store.root, dataset, *out, token)
    record = json.loads((tmp_path / 'out' / 'index.json').read_text())
    used = len(np.unique([store[i][0] for i in range(12)]))
    assert record['statistics']['used'] == used
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f'{used} of 256 codes are used')
    assert last.endswith(f'1 sheets: {tmp_path / "out" / "index.html"}')
    with pytest.raises(ValueError, match='--most must be >= 1, got 0'):
        show(tool, store.root, dataset, *out, token, '--most', 0)
    with pytest.raises(FileNotFoundError, match='no/tokens does not exist'):
        show(tool, Path('no/tokens'), dataset, *out, token)


def test_a_rehearsal_finds_the_tokens_of_a_rehearsal(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: Records,
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    missing = dict(type='FolderDataset', data_root='data/none', transforms=[])
    run = Path('work_dirs/dry_run/x_tokenize')
    tokenize(tmp_path / run, missing, patch=(64, 64))
    show(tool, Path('work_dirs/x_tokenize/tokens'), missing)
    assert list((tmp_path / run / 'visualize_patches').glob('*.png'))
    assert 'synthetic images stand in' in log.texts(logging.WARNING)[-1]


def test_two_at_once_do_not_meet(tool: ModuleType, tmp_path: Path) -> None:
    dataset = noise(8, 8, [])
    store = tokenize(tmp_path, dataset, patch=(4, 4))
    out = tmp_path / 'visualize_patches'
    out.mkdir()
    code = (
        'import fcntl, sys; file = open(sys.argv[1], "a+")\n'
        'fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()'
    )
    line = [sys.executable, '-c', code, str(out / '.lock')]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(line, **pipes) as other:
        other.stdout.readline()
        with pytest.raises(WorkDirBusyError, match='visualize_patches is in use'):
            show(tool, store.root, dataset)
        other.communicate()
    show(tool, store.root, dataset)
