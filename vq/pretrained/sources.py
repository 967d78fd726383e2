"""Where a published file can be had: nearby copies, a mirror, or its own address."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from vq.pretrained.entry import Entry
from vq.pretrained.table import FULL_SHA256, TABLE


def nearby(entry: Entry, root: Path) -> Iterator[str]:
    """Yield file: URLs of the same bytes in an installed package or under `root`."""
    if entry.package is not None:
        package, file = entry.package
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin).parent / file
            if path.is_file():
                yield path.as_uri()
    if len(entry.sha256) == FULL_SHA256:
        for twin in TABLE.values():
            path = root / twin.file
            if twin.sha256 == entry.sha256 and twin is not entry and path.is_file():
                yield path.resolve().as_uri()


def mirrored(entry: Entry, mirror: str) -> list[str]:
    """Return where a mirror may have a file, the likeliest first.

    A mirror is a URL or a folder; below it the file may lie as HOST/PATH, PATH, as in
    `pretrained/`, or under its local or published name alone.
    """
    url = urlsplit(entry.url)
    published = unquote(PurePosixPath(url.path).name)
    local = [entry.file, PurePosixPath(entry.file).name]
    if not url.query:  # else the name is in the query, or nowhere
        local.append(published)
    remote = [url.netloc + url.path, url.path.lstrip('/')]
    if '://' in mirror:
        query = f'?{url.query}' if url.query else ''
        places = [place + query for place in remote] + local
        return list(dict.fromkeys(f'{mirror.rstrip("/")}/{p}' for p in places))
    folder = Path(mirror).expanduser().resolve()
    paths = [folder / unquote(place) for place in remote + local]
    return [path.as_uri() for path in dict.fromkeys(paths) if path.is_file()]


def sources(entry: Entry, *, root: Path, mirror: str | None = None) -> list[str]:
    """Return the URLs to try in turn; none if a mirror folder lacks the file.

    Args:
        entry: The file.
        root: The folder `pretrained/`.
        mirror: Used instead of the publisher: a URL or a folder.
    """
    remote = [entry.url] if mirror is None else mirrored(entry, mirror)
    return [*nearby(entry, root), *remote]
