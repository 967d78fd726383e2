"""The command gets what a group needs, and says in a line why it cannot."""

import logging
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import pytest

from tests.tools.loading import load_tool
from tests.web import serving
from vq.pretrained import http, table

ROOT = Path(__file__).parents[2]
CONTENT = b'PK' + bytes(1000)
GROUPS = list(table.groups())


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    """Return the tool as a module."""
    return load_tool('prepare_checkpoints')


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every address fail as it does without a network; return who was asked."""
    asked: list[str] = []
    real = http.urlopen

    def fails(request, timeout):
        if request.full_url.startswith('file:'):
            return real(request, timeout=timeout)
        asked.append(request.host)
        raise URLError(socket.gaierror(-2, 'Name or service not known'))

    monkeypatch.setattr(http, 'urlopen', fails)
    return asked


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.mark.parametrize('group', GROUPS)
def test_offline_says_what_to_place_where(
    tool: ModuleType,
    group: str,
    tmp_path: Path,
    offline: list[str],
    said: pytest.LogCaptureFixture,
) -> None:
    code = tool.main([group, '--root', str(tmp_path)])
    missing = [
        entry
        for entry in table.groups()[group]
        if entry.default and entry.package is None  # that one is copied
    ]
    lines = [r.getMessage() for r in said.records if r.levelno >= logging.ERROR]
    assert lines[1:] == [f'  {e.url} -> {tmp_path / e.file}' for e in missing]
    assert code == 1
    assert 'Name or service not known; no network here' in lines[0]
    assert len(offline) == len(set(offline)) == 1  # a silent host is asked once


def test_a_mirror_folder_does_without_a_network(
    tool: ModuleType,
    tmp_path: Path,
    offline: list[str],
    said: pytest.LogCaptureFixture,
) -> None:
    mirror, root = tmp_path / 'mirror', tmp_path / 'pretrained'
    mirror.mkdir()
    for name in ('vitbase16.pth', 'mae_pretrain_vit_base.pth'):
        (mirror / name).write_bytes(CONTENT)
    command = ['dino', 'mae', '--root', str(root), '--mirror', str(mirror)]
    assert tool.main(command) == 0
    assert (root / 'dino/vitbase16.pth').read_bytes() == CONTENT
    assert '2 downloaded, 0 already there, 2.0 kB, 0 s' in said.text
    assert tool.main(command) == 0
    assert '0 downloaded, 2 already there' in said.text
    assert offline == []


def test_one_that_fails_does_not_keep_the_next(
    tool: ModuleType,
    tmp_path: Path,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('no_proxy', '*')
    with serving() as web:
        web.files['/clip/ViT-B-16.pt'] = CONTENT  # not what its checksum says
        web.files['/vitbase16.pth'] = CONTENT
        words = ['clip', 'mae', 'dino', '--root', str(tmp_path), '--mirror', web.url]
        assert tool.main(words) == 1
    assert (tmp_path / 'dino/vitbase16.pth').read_bytes() == CONTENT
    assert not (tmp_path / 'clip/ViT-B-16.pt').exists()
    assert re.search('ViT-B-16.pt.part: expected sha256 5806e77cd8.*found', said.text)
    assert 'mae/mae_pretrain_vit_base.pth is not at http' in said.text
    assert '1 downloaded' in said.text


def test_list_and_verify(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(*words: str) -> tuple[int, dict[str, str]]:
        code = tool.main([*words, '--root', str(tmp_path)])
        lines = capsys.readouterr().out.splitlines()
        cells = [re.split('  +', line) for line in lines[1:]]
        return code, {row[0]: row[3] for row in cells}

    code, states = rows('--list')
    assert (code, set(states)) == (0, set(table.TABLE))
    assert set(states.values()) == {'missing'}
    for name in ('dino/vitbase16.pth', 'clip/ViT-L-14.pt', 'mae/x.part'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / 'mae/x.part').rename(tmp_path / 'mae/mae_pretrain_vit_base.pth.part')
    assert rows('dino', 'mae', '--list') == (
        0,
        {'dino/vitbase16': 'present', 'mae/vit_base': '1.0 kB so far'},
    )
    assert rows('dino', '--verify') == (0, {'dino/vitbase16': 'as first seen'})
    code, states = rows('clip', '--verify')
    assert (code, states['clip/ViT-L-14']) == (1, 'WRONG')


@pytest.mark.parametrize(
    ('words', 'weights', 'names'),
    [
        (['clip'], [], ['clip/ViT-B-16']),
        (['clip'], ['ViT-B/32', 'ViT-L-14'], ['clip/ViT-B-32', 'clip/ViT-L-14']),
        (
            ['torchvision'],
            ['.VGG16_Weights.DEFAULT', '.ViT_B_16_Weights.DEFAULT'],
            ['torchvision/vgg16', 'torchvision/vit_b_16'],
        ),
        (['huggingface', 'mae'], ['vit_base'], None),
        (['llamagen'], ['c2i_XL_384'], ['llamagen/c2i_XL_384']),
        (
            ['taming_transformers'],
            ['gumbel_f8_8192'],
            [
                'taming_transformers/gumbel_f8_8192',
                'taming_transformers/gumbel_f8_8192.yaml',
            ],
        ),
    ],
)
def test_weights_narrow_their_group(
    tool: ModuleType, words: list[str], weights: list[str], names: list[str] | None
) -> None:
    chosen = [e.name for e in tool.select(words, weights, optional=False)]
    if names is None:
        gpt2 = [e.name for e in table.members('huggingface/gpt2-medium')]
        names = [*gpt2, 'mae/vit_base']
    assert chosen == names


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('clipp', 'unknown group clipp: did you mean clip?'),
        ('clip --weights VIT-B-16', 'unknown weights VIT-B-16: did you mean ViT-B-16?'),
        ('dino --weights zzz', 'unknown weights zzz: there are vitbase16'),
        ('dino --mirror nowhere', 'nowhere is neither a folder nor a URL'),
        ('dino --mirror ftp://host', 'ftp://host is neither a folder nor a URL'),
        ('', 'which group? pytorch_fid, inception, lpips'),
    ],
)
def test_slips_come_with_the_nearest(
    tool: ModuleType, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        tool.main(shlex.split(line))
    assert message in capsys.readouterr().err
    assert error.value.code == 2


def test_ctrl_c_says_how_to_go_on(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: pytest.LogCaptureFixture,
) -> None:
    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, 'prepare', stops)
    assert tool.main(['dino', '--root', str(tmp_path)]) == tool.STOPPED
    assert said.messages == ['stopped; what has come is kept: the same command goes on']


def test_help_needs_no_torch() -> None:
    code = (
        'import runpy, sys; sys.argv = ["x", "--list", "--root", "/nowhere"]\n'
        'try: runpy.run_path("tools/prepare_checkpoints.py", run_name="__main__")\n'
        'except SystemExit: print("torch" in sys.modules)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.endswith('False\n')
