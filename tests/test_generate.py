"""`vq.generate`, as it is typed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.datasets.pictures import photo
from tests.runners.generators import TINY, tiny_generator
from vq import generate, paths
from vq.checkpoints.files import write_weights
from vq.cli import generate_parser
from vq.generation import pictures
from vq.runners import Generator

Command = Callable[..., Path]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command, run on the tiny network; it returns the folder of samples."""

    def work_dir(name: str, *, dry_run: bool = False) -> Path:
        return tmp_path / ('dry_run' if dry_run else '') / name

    monkeypatch.setattr(paths, 'work_dir', work_dir)
    weights = tiny_generator(tmp_path / 'x').model.state_dict()
    write_weights(tmp_path / 'model', weights)

    def call(*words: str, config: Path = TINY, folder: str = 'samples') -> Path:
        files = ['--load-model-from', str(tmp_path / 'model.pth')]
        generate.run(generate_parser().parse_args([str(config), *files, *words]))
        return tmp_path / f'{config.stem}_generate' / folder

    return call


def names(folder: Path) -> list[str]:
    """Return the names of all pictures below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*.png'))


def test_samples_sheet_npz_and_record(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    out = command('--classes', '3', '1', '--number', '5', '--npz')
    order = [f'{c}/{i:06d}.png' for i, c in enumerate([3, 1, 3, 1, 3])]
    with np.load(f'{out}.npz') as arrays:
        for image, name in zip(arrays['arr_0'], order, strict=True):
            assert np.array_equal(image, pictures.read(out / name).permute(1, 2, 0))
        assert arrays['arr_1'].tolist() == [3, 1, 3, 1, 3]
    assert names(out) == sorted(order)
    sheet = pictures.read(out.with_name('samples.png'))
    assert sheet.shape == (3, 2 * 66 + 2, 3 * 66 + 2)
    record = json.loads(Path(f'{out}.json').read_text())
    # The config's own settings.
    assert (record['cfg'], record['temperature'], record['top_k']) == (2.0, 0.9, 20)
    assert (record['seed'], record['number'], record['config']) == (0, 5, str(TINY))
    assert f'5 of 5 images are in {out}; 5 sampled now' in capsys.readouterr().out
    command('--classes', '3', '1', '--number', '6')
    with np.load(f'{out}.npz') as arrays:  # does not stay behind
        assert arrays['arr_1'].tolist() == [3, 1, 3, 1, 3, 1]


def test_a_signal_is_told_by_the_exit_status(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Generator.draw

    def interrupted(self: Generator, draws: Any, **options: Any) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return draw(self, draws, **options)

    words = ['--number', '3', '--batch-size', '2']
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Generator, 'draw', interrupted)
        command(*words)
    assert len(names(command(*words))) == 3


def test_a_sweep_is_a_folder_a_point_and_a_table(
    command: Command, tmp_path: Path
) -> None:
    words = ['--number', '2', '--temperature', '0', '--top-k', '0']
    alone = tmp_path / 'alone'
    command(*words, '--cfg', '1.5', '--out', str(alone))
    out = command(*words, '--cfg', '1', '1.5')
    assert names(alone) == ['0/000000.png', '1/000001.png']
    for name in names(alone):
        point = pictures.read(out / 'cfg1.5' / name)
        assert torch.equal(pictures.read(alone / name), point)
    table = (out / 'sweep.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in table] == ['cfg', '1.0', '1.5']


def test_pictures_are_completed_and_edited(command: Command, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ('cat.png', 'dog.png')]
    for file, size in zip(files, [(40, 24), (9, 30)], strict=True):
        photo(size=size).save(file)
    out = command('--complete', *files, '--rows', '2', '--classes', '1', '4',
                  '--number', '2', folder='completed')  # fmt: skip
    expected = ['000000.png', '000001.png', 'kept.png', 'original.png']
    assert names(out) == [f'{stem}/{x}' for stem in ('cat', 'dog') for x in expected]
    assert json.loads(Path(f'{out}.json').read_text())['classes'] == [1, 4]
    kept = pictures.read(out / 'cat' / 'kept.png')
    assert (kept[:, 4:] == 128).all() and not (kept[:, :4] == 128).all()
    out = command('--edit', files[0], '--box', '0', '3', '4', '4', '--classes', '2',
                  folder='edited')  # fmt: skip
    assert len(names(out)) == 2 + 4
    kept = pictures.read(out / 'cat' / 'kept.png')
    assert (kept[:, :, 6:] == 128).all() and not (kept[:, :, :6] == 128).all()


def test_a_way_from_class_to_class(command: Command) -> None:
    out = command('--interpolate', '1', '4', '--steps', '3', folder='interpolated')
    assert names(out) == [f'1_to_4/000000/{step:02d}.png' for step in range(3)]


def test_a_dry_run_needs_no_weights_and_is_small(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    real = tmp_path / 'real'
    for number in ('50000', '3'):  # and never minds what an earlier one left
        words = [str(TINY), '--number', number, '--npz', '--out', str(real)]
        generate.run(generate_parser().parse_args(words))
    out = tmp_path / 'dry_run' / 'tiny_proposal_generate' / 'samples'
    assert len(names(out)) == 4 and Path(f'{out}.npz').is_file()
    assert not real.exists()  # whose samples it would write over


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('--complete a.png --edit b.png --rows 2', '--complete and --edit are two'),
        ('--complete a.png', '--complete and --rows belong together'),
        ('--box 1 1 1 1', '--edit and --box belong together'),
        ('--interpolate 1 2 --classes 1', 'leave --classes out'),
        ('--number 0', '--number must be at least 1, got 0'),
        ('--batch-size 0', '--batch-size must be at least 1, got 0'),
        ('--seed -1', '--seed must be at least 0, got -1'),
        ('--classes 1 5', 'class 5 is none of the network, which has 0 to 4'),
        ('--complete README.md --rows 2', 'Give --classes CLASS'),
    ],
)
def test_what_cannot_be_asked_for(command: Command, words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        command(*words.split())


def test_a_class_a_picture(command: Command, tmp_path: Path) -> None:
    photo(size=(9, 9)).save(tmp_path / 'a.png')
    words: list[Any] = ['--complete', str(tmp_path / 'a.png'), '--rows', '1']
    with pytest.raises(ValueError, match='2 classes for 1 pictures'):
        command(*words, '--classes', '1', '2')


def test_an_unconditional_network_needs_no_classes(
    command: Command, tmp_path: Path
) -> None:
    photo(size=(9, 9)).save(tmp_path / 'a.png')
    config = tmp_path / 'unconditional.py'
    config.write_text(
        f'"""Without classes."""\n_base_ = [{str(TINY)!r}]\nmodel = dict(classes=0)\n'
    )
    weights = tiny_generator(tmp_path / 'x', '.validator.model.classes:0')
    write_weights(tmp_path / 'model', weights.model.state_dict())
    out = command('--number', '3', '--cfg', '1', config=config)
    assert names(out) == [f'0/{i:06d}.png' for i in range(3)]
    words = ['--complete', str(tmp_path / 'a.png'), '--rows', '1', '--number', '1']
    out = command(*words, config=config, folder='completed')
    assert len(names(out)) == 3
    with pytest.raises(ValueError, match='which has none'):
        command('--classes', '0', config=config)
