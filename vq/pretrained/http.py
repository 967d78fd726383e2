"""One request for a file, or for the rest of it; errors that say what went wrong."""

import http.client
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

CHUNK = 2**20  # bytes
TIMEOUT = 30.0  # seconds without a byte

PASSING = {408, 425, 429, 500, 502, 503, 504}  # what may be gone a moment later
RANGE_REFUSED = 416


class DownloadError(RuntimeError):
    """A file cannot be had; says why."""


class NotThereError(DownloadError):
    """The server answers that it does not have the file, or does not give it."""


class DroppedError(DownloadError):
    """The connection ended too early; another attempt may help."""


class UnreachableError(DroppedError):
    """Nobody answers: no network, a wrong address, or a firewall."""


@dataclass(frozen=True)
class Version:
    """What tells one version of a published file from another.

    Args:
        etag: Strong entity tag; empty where the server sends none.
        modified: Date of the last change; empty where the server sends none.
        total: Number of bytes of the whole file; None where it is not said.
    """

    etag: str
    modified: str
    total: int | None

    @property
    def validator(self) -> str | None:
        """What a request for the rest is tied to; None: it cannot be tied."""
        return self.etag or self.modified or None

    def same(self, other: 'Version') -> bool:
        """Whether nothing that both say differs."""
        pairs = (
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.total, other.total),
        )
        return all(one == two or not one or not two for one, two in pairs)


class Answer:
    """What a server answers: which bytes of which version, and the bytes.

    Args:
        version: The version of the file.
        start: Number of the first byte.
        rest_refused: Whether there is nothing from where the request wanted to go on.
        response: To read from.
    """

    def __init__(
        self,
        *,
        version: Version,
        start: int,
        rest_refused: bool = False,
        response: Any = None,
    ) -> None:
        self.version, self.start = version, start
        self.rest_refused = rest_refused
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises:
            DroppedError: The connection ended.
        """
        while True:
            try:
                chunk = self._response.read1(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise DroppedError(f'the connection broke: {_brief(error)}') from None
            if not chunk:
                return
            yield chunk


@contextmanager
def ask(url: str, *, start: int, version: Version | None) -> Iterator[Answer]:
    """Request a file from byte `start` on, if it is still of this version.

    A server may answer with all of it, because it has changed or because it cannot do
    otherwise.

    Raises:
        UnreachableError: Nobody answers.
        NotThereError: The server does not have the file.
        DroppedError: It has a passing trouble.
        DownloadError: It answers with something else.
    """
    headers = {'User-Agent': 'vq', 'Accept-Encoding': 'identity'}
    if start and version is not None and version.validator is not None:
        headers |= {'Range': f'bytes={start}-', 'If-Range': version.validator}
    response = _open(url, headers)
    with response:
        if isinstance(response, HTTPError):
            unknown = Version(etag='', modified='', total=None)
            yield Answer(version=unknown, start=0, rest_refused=True)
            return
        if response.headers.get_content_type() == 'text/html':
            raise NotThereError(
                f'{url} answers with a web page instead of the file: a login, an '
                'expired link, or a network that asks for registration'
            )
        first, total = _range(response.headers, partial=response.status == 206)
        yield Answer(
            version=_version(response.headers, total), start=first, response=response
        )


def _open(url: str, headers: dict[str, str]) -> Any:
    """Return urllib's response, or its error if there is no such range of bytes."""
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, HTTPError) and error.code == RANGE_REFUSED:
            return error
        raise _translated(error, url) from None


def _range(headers: Message, *, partial: bool) -> tuple[int, int | None]:
    """Return the number of the first byte and the length of the whole file."""
    length = headers.get('Content-Length', '')
    if not partial:
        return 0, int(length) if length.isdigit() else None
    match = re.match(r'bytes (\d+)-\d+/(\d+)', headers.get('Content-Range', ''))
    return (int(match[1]), int(match[2])) if match else (-1, None)


def _version(headers: Message, total: int | None) -> Version:
    etag = headers.get('ETag', '')
    return Version(
        etag='' if etag.startswith('W/') else etag,  # a weak one allows other bytes
        modified=headers.get('Last-Modified', ''),
        total=total,
    )


def _translated(error: Exception, url: str) -> DownloadError:
    """Return our error for one of urllib's."""
    if isinstance(error, HTTPError):
        kind = DroppedError if error.code in PASSING else NotThereError
        return kind(f'{url} answers {error.code} {error.reason}')
    if not isinstance(error, URLError):  # raised after the request was sent
        return DroppedError(f'{url}: {_brief(error)}')
    reason = error.reason
    if isinstance(reason, FileNotFoundError | IsADirectoryError):
        return NotThereError(f'{url} does not exist')
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f'{url}: {_brief(reason)}; behind a proxy that opens connections, '
            'SSL_CERT_FILE names its certificate'
        )
    return UnreachableError(f'{urlsplit(url).netloc} does not answer: {_brief(reason)}')


def _brief(error: object) -> str:
    """Return one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
