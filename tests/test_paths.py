"""Paths: below the repository, with PRETRAINED, and from the current folder."""

from pathlib import Path

import pytest

from tests.log import Records
from vq import paths


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a temporary folder stand in for the repository, and another be current."""
    root, here = tmp_path / 'root', tmp_path / 'here'
    for folder in (root, here):
        folder.mkdir()
    monkeypatch.setattr(paths, 'ROOT', root)
    monkeypatch.chdir(here)
    return root


def test_relative_paths_lie_below_the_repository(root: Path, tmp_path: Path) -> None:
    assert paths.resolve('configs/x.py') == root / 'configs' / 'x.py'
    assert paths.resolve(tmp_path) == tmp_path
    assert paths.resolve('~/x') == Path.home() / 'x'


def test_pretrained_is_where_its_variable_says(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paths.resolve('pretrained/x.pth') == root / 'pretrained' / 'x.pth'
    monkeypatch.setenv('PRETRAINED', str(tmp_path / 'big'))
    assert paths.resolve('pretrained/x.pth') == tmp_path / 'big/pretrained/x.pth'
    assert paths.resolve('data/pretrained') == root / 'data/pretrained'


def test_inputs_are_found_in_the_repository_first(
    root: Path, tmp_path: Path, log: Records
) -> None:
    for folder in ('root', 'here'):
        (tmp_path / folder / 'both').touch()
    (tmp_path / 'here' / 'mine').touch()
    assert paths.resolve_input('both') == root / 'both'
    assert log.texts() == []
    assert paths.resolve_input('mine') == tmp_path / 'here' / 'mine'
    assert log.texts() == [
        f'mine is taken from the current folder: {tmp_path / "here" / "mine"}'
    ]


def test_what_is_in_neither_place_is_an_error_that_names_both(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        paths.resolve_input('no/where')
    here = tmp_path / 'here' / 'no/where'
    assert str(caught.value) == (
        f'no/where does not exist: not {root / "no/where"} nor {here}'
    )


def test_a_slip_in_a_name_is_pointed_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    (root / 'configs').mkdir()
    (root / 'configs' / '8192_ddp.py').touch()
    with pytest.raises(FileNotFoundError) as caught:
        paths.resolve_input('configs/8192_dpp.py')
    place = root / 'configs' / '8192_dpp.py'
    assert str(caught.value) == (
        f'configs/8192_dpp.py does not exist: not {place}; did you mean 8192_ddp.py?'
    )


def test_work_dirs(root: Path) -> None:
    assert paths.work_dir('vqgan/x') == root / 'work_dirs' / 'vqgan' / 'x'
    assert paths.work_dir('x', dry_run=True) == root / 'work_dirs' / 'dry_run' / 'x'
