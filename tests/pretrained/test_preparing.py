"""A file is got once, verified always, and never replaced by another."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from tests.web import Web
from vq.pretrained.checksums import ChecksumError
from vq.pretrained.entry import Entry
from vq.pretrained.http import NotThereError
from vq.pretrained.preparing import prepare, verify
from vq.pretrained.table import TABLE

CONTENT = b'PK' + bytes(1000)


@pytest.fixture
def entry(web: Web) -> Entry:
    """Return an entry without a checksum, served by our server."""
    web.files['/dino.pth'] = CONTENT
    return dataclasses.replace(TABLE['dino/vitbase16'], url=f'{web.url}/dino.pth')


def test_gets_a_file_once(web: Web, entry: Entry, tmp_path: Path) -> None:
    prepared = prepare(entry, root=tmp_path)
    assert prepared.path.read_bytes() == CONTENT
    assert (prepared.size, prepared.downloaded) == (len(CONTENT), True)
    again = prepare(entry, root=tmp_path)
    assert not again.downloaded and len(web.requests) == 1
    record = json.loads((tmp_path / 'checksums.json').read_text())
    assert record[entry.file]['sha256'] == hashlib.sha256(CONTENT).hexdigest()


def test_a_file_that_changes_is_noticed(entry: Entry, tmp_path: Path) -> None:
    path = prepare(entry, root=tmp_path).path
    path.write_bytes(CONTENT + b'!')
    with pytest.raises(ChecksumError, match='recorded on'):
        verify(entry, root=tmp_path)
    with pytest.raises(ChecksumError, match='remove .* to get it again'):
        prepare(entry, root=tmp_path)


def test_a_publisher_that_changes_a_file_is_noticed(
    web: Web, entry: Entry, tmp_path: Path
) -> None:
    path = prepare(entry, root=tmp_path).path
    path.unlink()
    web.files['/dino.pth'] = CONTENT + b'!'
    with pytest.raises(ChecksumError, match='remove its entry in'):
        prepare(entry, root=tmp_path)
    assert not path.exists()


def test_mirrors_are_tried_place_by_place(
    web: Web, entry: Entry, tmp_path: Path
) -> None:
    web.files['/m/dino/vitbase16.pth'] = CONTENT  # as in pretrained/
    prepare(entry, root=tmp_path, mirror=f'{web.url}/m')
    assert (tmp_path / entry.file).read_bytes() == CONTENT
    with pytest.raises(NotThereError, match=r'mae.*\.pth is not at .* answers 404'):
        prepare(TABLE['mae/vit_base'], root=tmp_path, mirror=web.url)


def test_a_wrong_copy_nearby_does_no_harm(web: Web, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    web.files['/right.pth'] = CONTENT
    entry = dataclasses.replace(
        TABLE['lpips/vgg'], url=f'{web.url}/right.pth', sha256=sha256, size=None
    )
    prepare(entry, root=tmp_path)  # the package holds other bytes
    assert (tmp_path / entry.file).read_bytes() == CONTENT
