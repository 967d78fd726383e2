"""Parts of large JSON files, found without parsing the whole.

Annotations of some data sets take gigabytes, of which a list of images needs the names
alone. The file is mapped into memory and scanned, so that little is held at a time.
"""

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_OPEN_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+'
_PLAIN = rb'[^"{}\[\]]*+'
_FLAT = _PLAIN + rb'(?:' + _OPEN_STRING + rb'"' + _PLAIN + rb')*+'
_SHALLOW = rb'(?:[^"{}\[\]]++|' + _OPEN_STRING + rb'"|[\[{]' + _FLAT + rb'[\]}])*+'
# A list or object at most two deep, which the scan passes over at once; else a string,
# and whether it is a key; else a bracket.
_TOKEN = re.compile(
    rb'(?P<shallow>[\[{]' + _SHALLOW + rb'[\]}])'
    rb'|' + _OPEN_STRING + rb'(?P<end>"\s*+(?P<colon>:)?)?'
    rb'|(?P<bracket>[\[{}\]])',
    re.DOTALL,
)
_FLAT_OBJECT = re.compile(rb'\{' + _FLAT + rb'\}', re.DOTALL)
_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{')


class Member(NamedTuple):
    """One member of a file's outermost object.

    Attributes:
        name: Its key.
        start: Where its value begins, in bytes, blanks before it included.
        stop: Where the next member begins.
    """

    name: str
    start: int
    stop: int


def members(path: Path) -> Iterator[Member]:
    """Yield the members of the object that a file holds, in order.

    What lies deeper is passed over and not checked.

    Raises:
        ValueError: The file holds no object, or ends early.
    """
    text = _map(path)
    begin = _START.match(text)
    if begin is None:
        raise ValueError(f'{path} does not hold a JSON object')
    depth, name, start = 1, None, 0
    for token in _TOKEN.finditer(text, begin.end()):
        if token['shallow'] is not None:
            continue
        if token['bracket'] is None:
            if token['end'] is None:  # an open string
                break
            if depth > 1 or token['colon'] is None:
                continue
            if name is not None:
                yield Member(name, start, token.start())
            name, start = _text(token[0].removesuffix(b':').rstrip()), token.end()
        elif token['bracket'] in b'{[':
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                if name is not None:
                    yield Member(name, start, token.start())
                return
    raise ValueError(f'{path} ends early; it is damaged or not copied in full')


def objects(path: Path, *, member: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the flat objects of a list, one at a time.

    Args:
        path: A file that holds a list of objects without lists and objects inside.
        member: Where the file holds an object: the key of the list.

    Raises:
        ValueError: There is no such member, or the file ends early.
    """
    text = _map(path)
    start, stop = 0, len(text)
    if member is not None:
        found = next((m for m in members(path) if m.name == member), None)
        if found is None:
            raise ValueError(f'{path} has no member {member!r}')
        start, stop = found.start, found.stop
    elif not text[-64:].rstrip().endswith(b']'):
        raise ValueError(f'{path} holds no JSON list, or ends early')
    for match in _FLAT_OBJECT.finditer(text, start, stop):
        yield json.loads(match[0])


def _text(string: bytes) -> str:
    # Few keys have escapes, and of millions each microsecond counts.
    if b'\\' not in string:
        return string[1:-1].decode()
    return str(json.loads(string))


def _map(path: Path) -> mmap.mmap:
    with path.open('rb') as file:
        if not path.stat().st_size:
            raise ValueError(f'{path} is empty')
        # Closed when nothing holds it any longer: a scan that is left early still does.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
