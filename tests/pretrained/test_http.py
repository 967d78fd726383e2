"""One request, one answer: which bytes of which version, or what is wrong."""

import ssl
from urllib.error import URLError

import pytest

from tests.web import Web
from vq.pretrained import http
from vq.pretrained.http import DownloadError, UnreachableError, Version, ask

ONE = Version(etag='"one"', modified='', total=5)


def test_all_and_the_rest(web: Web) -> None:
    web.files['/x'] = b'01234'
    with ask(f'{web.url}/x', start=0, version=None) as answer:
        assert b''.join(answer.chunks()) == b'01234'
        assert (answer.start, answer.version) == (0, ONE)
    with ask(f'{web.url}/x', start=3, version=ONE) as answer:
        assert b''.join(answer.chunks()) == b'34'
        assert (answer.start, answer.version) == (3, ONE)


def test_versions_differ_in_what_both_say() -> None:
    assert ONE.same(Version(etag='', modified='today', total=None))
    assert not ONE.same(Version(etag='"two"', modified='', total=None))
    assert not ONE.same(Version(etag='', modified='', total=6))
    assert Version(etag='', modified='', total=5).validator is None


def test_a_range_beyond_the_end_is_no_error(web: Web) -> None:
    web.statuses = [416]
    with ask(f'{web.url}/x', start=9, version=ONE) as answer:
        assert answer.rest_refused


@pytest.mark.parametrize(
    ('reason', 'kind', 'text'),
    [
        (ssl.SSLCertVerificationError('self-signed'), DownloadError, 'SSL_CERT_FILE'),
        (TimeoutError('timed out'), UnreachableError, 'host does not answer: timed'),
        (OSError('Tunnel connection failed: 403'), UnreachableError, 'Tunnel'),
    ],
)
def test_errors_are_ours(
    monkeypatch: pytest.MonkeyPatch,
    reason: OSError,
    kind: type[DownloadError],
    text: str,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise URLError(reason)

    monkeypatch.setattr(http, 'urlopen', fails)
    with (
        pytest.raises(kind, match=text) as error,
        ask('http://host/x', start=0, version=None),
    ):
        pass
    assert type(error.value) is kind
