"""Files are compared with what is known, and with what they were at first."""

import hashlib
import json
import re
import threading
from pathlib import Path

import pytest

from vq.pretrained.checksums import ChecksumError, Record, check

CONTENT = b'PK weights'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / 'weights.pth'
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize('known', [SHA256, SHA256[:8], ''])
def test_what_is_known_is_compared(path: Path, known: str) -> None:
    assert check(path, sha256=known, size=None) == SHA256
    assert check(path, sha256=known, size=len(CONTENT)) == SHA256


def test_differences_are_shown(path: Path) -> None:
    with pytest.raises(ChecksumError, match='expected 9 bytes, found 10'):
        check(path, sha256='', size=9)
    with pytest.raises(
        ChecksumError, match=f'expected sha256 00000000, found {SHA256}'
    ):
        check(path, sha256='00000000', size=None)
    path.write_bytes(b'')
    with pytest.raises(ChecksumError, match='found none'):
        check(path, sha256='', size=None)


@pytest.mark.parametrize(
    ('name', 'content', 'good'),
    [
        ('x.pth', b'PK\3\4', True),
        ('x.ckpt.part', b'\x80\2', True),
        ('x.pt.part', b'version https://git-lfs', False),
        ('x.safetensors', b'\7\0\0\0\0\0\0\0{', True),
        ('x.safetensors.part', b'Not found', False),
        ('config.json', b'{}', True),
    ],
)
def test_messages_are_not_taken_for_weights(
    tmp_path: Path, name: str, content: bytes, good: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    if good:
        assert check(path, sha256='', size=None)
    else:
        with pytest.raises(ChecksumError, match='found something else'):
            check(path, sha256='', size=None)


def test_the_first_sight_counts(tmp_path: Path) -> None:
    record = Record(root=tmp_path / 'new')
    record.confirm('a/x.pth', SHA256)
    entries = json.loads(record.path.read_text())
    assert entries['a/x.pth']['sha256'] == SHA256
    assert re.fullmatch(r'\d{4}-\d\d-\d\d', entries['a/x.pth']['since'])
    record.confirm('a/x.pth', SHA256)
    other = 'f' * 64
    with pytest.raises(ChecksumError, match=rf'sha256 {SHA256}, recorded .* {other}'):
        record.confirm('a/x.pth', other)
    assert json.loads(record.path.read_text()) == entries
    record.path.write_text('{')
    with pytest.raises(ChecksumError, match='is damaged'):
        record.confirm('a/x.pth', SHA256)


def test_several_may_write_at_once(tmp_path: Path) -> None:
    threads = [
        threading.Thread(
            target=Record(root=tmp_path).confirm, args=(f'{i}.pth', str(i) * 64)
        )
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = json.loads((tmp_path / 'checksums.json').read_text())
    assert {k: v['sha256'] for k, v in entries.items()} == {
        f'{i}.pth': str(i) * 64 for i in range(8)
    }
