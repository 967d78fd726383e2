"""A web server for each test that wants one; no waiting between attempts."""

from collections.abc import Iterator

import pytest

from tests.web import Web, serving
from vq.pretrained import download


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Serve without delays and without a proxy."""
    monkeypatch.setattr(download, 'PAUSE', 0.0)
    monkeypatch.setenv('no_proxy', '*')
    with serving() as web:
        yield web
