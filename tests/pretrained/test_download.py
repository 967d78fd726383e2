"""Downloads end with the published bytes, whatever happens on the way."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.web import Web
from vq.pretrained import download as module
from vq.pretrained.checksums import ChecksumError, check
from vq.pretrained.download import download
from vq.pretrained.http import (
    DownloadError,
    DroppedError,
    NotThereError,
    UnreachableError,
)

CONTENT = random.Random(0).randbytes(50_000)
OTHER = random.Random(1).randbytes(50_000)


def sound(content: bytes = CONTENT):
    """Return a check that a file holds just these bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    return lambda path: check(path, sha256=sha256, size=len(content))


@pytest.fixture
def target(tmp_path: Path, web: Web) -> Path:
    web.files['/weights.pth'] = CONTENT
    return tmp_path / 'new' / 'weights.pth'


def url(web: Web) -> str:
    return f'{web.url}/weights.pth'


def test_the_bytes_are_the_published_ones(web: Web, target: Path) -> None:
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ['weights.pth']
    download(url(web), target, verify=sound())
    assert len(web.requests) == 1  # what is there is left alone


def test_dropped_connections_go_on_where_they_stopped(web: Web, target: Path) -> None:
    web.cuts = [20_000, 10_000]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    asked = [headers.get('Range') for _, headers in web.requests]
    assert asked == [None, 'bytes=20000-', 'bytes=30000-']
    assert web.requests[1][1]['If-Range'] == '"one"'


def test_a_date_serves_where_the_tag_is_weak(web: Web, target: Path) -> None:
    web.etag, web.modified = 'W/"weak"', 'Sat, 21 Nov 2026 10:00:00 GMT'
    web.cuts = [20_000]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert web.requests[1][1]['If-Range'] == web.modified


def test_servers_without_ranges_start_again(web: Web, target: Path) -> None:
    web.ranges, web.cuts = False, [20_000]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT


def test_without_a_version_nothing_is_gone_on_with(web: Web, target: Path) -> None:
    web.etag, web.cuts = '', [20_000]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert 'Range' not in web.requests[1][1]


@pytest.mark.parametrize('if_range', [True, False])
def test_a_file_that_has_changed_starts_anew(
    web: Web, target: Path, if_range: bool
) -> None:
    web.cuts = [20_000] + [0] * module.ATTEMPTS
    with pytest.raises(DownloadError, match='20.0 kB are kept'):
        download(url(web), target, verify=sound())
    web.if_range = if_range  # some servers send the rest of another file
    web.files['/weights.pth'], web.etag = OTHER, '"two"'
    download(url(web), target, verify=sound(OTHER))
    assert target.read_bytes() == OTHER
    assert web.requests[1 + module.ATTEMPTS][1]['Range'] == 'bytes=20000-'


def test_bytes_of_another_url_are_not_gone_on_with(
    web: Web, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'ATTEMPTS', 1)
    web.cuts = [20_000, 0]
    with pytest.raises(DownloadError):
        download(url(web), target, verify=sound())
    web.files['/mirror.pth'] = OTHER
    download(f'{web.url}/mirror.pth', target, verify=sound(OTHER))
    assert target.read_bytes() == OTHER


def test_wrong_content_never_gets_in_place(web: Web, target: Path) -> None:
    found = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(ChecksumError, match=f'expected sha256 .*, found {found}'):
        download(
            url(web), target, verify=lambda p: check(p, sha256='0' * 64, size=None)
        )
    assert list(target.parent.iterdir()) == []


def test_a_wrong_size_is_seen_before_the_first_byte(web: Web, target: Path) -> None:
    with pytest.raises(ChecksumError, match='expected 7 bytes, found 50000'):
        download(url(web), target, verify=sound(), size=7)
    assert list(target.parent.iterdir()) == []


def test_passing_troubles_are_waited_out(web: Web, target: Path) -> None:
    web.statuses = [503, 429]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT


def test_gives_up_and_says_how_to_go_on(web: Web, target: Path) -> None:
    web.cuts = [20_000] + [0] * module.ATTEMPTS
    with pytest.raises(DownloadError, match='20.0 kB are kept: the same command'):
        download(url(web), target, verify=sound())
    assert len(web.requests) == 1 + module.ATTEMPTS
    part = target.with_name('weights.pth.part')
    assert part.read_bytes() == CONTENT[:20_000]
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT


def test_a_complete_part_is_not_asked_for_again(web: Web, target: Path) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(url(web), target, verify=killed)
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert len(web.requests) == 1


@pytest.mark.parametrize('ranges', [True, False])
def test_kill_and_again_gives_the_same_bytes(
    web: Web, target: Path, ranges: bool
) -> None:
    code = (
        'import sys; from pathlib import Path; from vq.pretrained.download import *; '
        'download(sys.argv[1], Path(sys.argv[2]), verify=print)'
    )
    web.pause, web.ranges = 0.01, ranges  # half a second in all
    process = subprocess.Popen([sys.executable, '-c', code, url(web), str(target)])
    part = target.with_name('weights.pth.part')
    while not (part.exists() and part.stat().st_size > 5_000):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    left = part.stat().st_size
    web.pause = 0.0
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert web.requests[1][1]['Range'] == f'bytes={left}-'


def test_of_two_processes_one_downloads(web: Web, target: Path) -> None:
    web.pause = 0.002
    threads = [
        threading.Thread(
            target=download, args=(url(web), target), kwargs={'verify': sound()}
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(web.requests) == 1
    assert [p.name for p in target.parent.iterdir()] == ['weights.pth']


def test_a_full_disk_is_seen_before(
    web: Web, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module.shutil, 'disk_usage', lambda _: SimpleNamespace(free=49_000)
    )
    with pytest.raises(DownloadError, match='needs 50.0 kB more, but only 49.0 kB'):
        download(url(web), target, verify=sound())
    assert list(target.parent.iterdir()) == []


def test_errors_say_what_is_wrong(web: Web, target: Path) -> None:
    with pytest.raises(NotThereError, match=r'/nowhere answers 404'):
        download(f'{web.url}/nowhere', target, verify=sound())
    with pytest.raises(UnreachableError, match=r'127\.0\.0\.1:9 does not answer'):
        download('http://127.0.0.1:9/x', target, verify=sound())
    with pytest.raises(ValueError, match='begins with http:, https: or file:'):
        download('ftp://host/x', target, verify=sound())
    web.kind = 'text/html; charset=utf-8'
    with pytest.raises(NotThereError, match='a web page instead of the file'):
        download(url(web), target, verify=sound())
    assert list(target.parent.iterdir()) == []


def test_a_network_that_goes_away_midway_is_waited_for(
    web: Web, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.cuts = [20_000]
    ask, calls = module.ask, []

    def asks(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise UnreachableError('host does not answer')
        return ask(*args, **kwargs)

    monkeypatch.setattr(module, 'ask', asks)
    download(url(web), target, verify=sound())
    assert target.read_bytes() == CONTENT
    assert issubclass(UnreachableError, DroppedError)


def test_a_local_file_is_copied(tmp_path: Path) -> None:
    original = tmp_path / 'a file.pth'
    original.write_bytes(CONTENT)
    download(original.as_uri(), tmp_path / 'copy.pth', verify=sound())
    assert (tmp_path / 'copy.pth').read_bytes() == CONTENT
    with pytest.raises(NotThereError, match=r'nowhere\.pth does not exist'):
        download('file:///nowhere.pth', tmp_path / 'none.pth', verify=sound())
