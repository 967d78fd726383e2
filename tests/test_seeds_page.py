"""What docs/seeds.md says is here is here: classes, arguments, files."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from vq.models import layers, norms
from vq.registry import ALL, OPTIMIZERS, SCHEDULERS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs' / 'seeds.md'
CLASS = re.compile(r'\b(?:[A-Z]+[a-z0-9]+){2,}\b|\b[A-Z0-9]+[A-Z][a-z]\w+\b')
CALL = re.compile(r'(\w+)\((.*)\)')
FILE = re.compile(r'(?:configs|_base_|vq|tests|docs)/[\w./*]+')


def ours() -> Iterator[str]:
    """Yield the code of each table's right column."""
    for line in PAGE.read_text().splitlines():
        cells = re.split(r'(?<!\\)\|', line)
        if len(cells) == 4 and not set(line) <= set('|- '):
            yield from re.findall(r'`([^`]+)`', cells[2])


def classes() -> dict[str, type]:
    found: dict[str, type] = {
        name: kind
        for module in (layers, norms)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, nn.Module)
    }
    for registry in (*ALL, OPTIMIZERS, SCHEDULERS):
        found |= {name: registry.find(name) for name in registry.names()}
    return found


def test_every_class_of_the_page_exists() -> None:
    known = classes()
    named = {word for code in ours() for word in CLASS.findall(code)}
    assert named - set(known) == set()
    assert len(named) > 30


def test_every_argument_in_brackets_is_one_of_its_class() -> None:
    known, checked = classes(), 0
    for code in ours():
        call = CALL.fullmatch(code)
        if call is None or call[1] not in known:
            continue
        own = inspect.signature(known[call[1]]).parameters
        for argument in re.findall(r'(\w+)=', re.sub(r'dict\(.*?\)', '', call[2])):
            assert argument in own, code
            checked += 1
    assert checked > 10


def test_every_file_of_the_page_exists() -> None:
    named = {word.rstrip('.') for code in ours() for word in FILE.findall(code)} | set(
        re.findall(r'configs/(?!mine)[\w/]+\.py', PAGE.read_text())
    )
    missing = [
        word
        for word in sorted(named)
        if not any(ROOT.glob(word)) and not any((ROOT / 'configs').glob(word))
    ]
    assert missing == []
    assert len(named) > 15
