"""The scan finds what parsing the whole file finds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vq.datasets.json_files import members, objects

STRINGS = ['', 'a', '"', '\\', '\\"', '{', '}]', '[', ':', ',', 'ä\n', '\u2028{"x":1}']


def _value(rng: np.random.Generator, depth: int) -> Any:
    kind = int(rng.integers(6 if depth else 4))
    if kind < 4:
        return [None, 1.5, True, str(rng.choice(STRINGS))][kind]
    values = [_value(rng, depth - 1) for _ in range(int(rng.integers(4)))]
    if kind == 4:
        return values
    return {f'{rng.choice(STRINGS)}{i}': value for i, value in enumerate(values)}


@pytest.mark.parametrize('seed', range(40))
def test_members_are_those_of_the_parsed_file(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    table = {f'{rng.choice(STRINGS)}{i}': _value(rng, 5) for i in range(6)}
    path = tmp_path / 'x.json'
    options: list[dict[str, Any]] = [{}, dict(indent=2), dict(ensure_ascii=False)]
    path.write_text(json.dumps(table, **options[seed % 3]), 'utf-8')
    data = path.read_bytes()
    found = {
        m.name: json.loads(data[m.start : m.stop].strip().removesuffix(b','))
        for m in members(path)
    }
    assert found == table
    assert list(found) == list(table)


def test_objects_are_those_of_the_parsed_list(tmp_path: Path) -> None:
    rows = [dict(name=text, number=i) for i, text in enumerate(STRINGS)]
    (tmp_path / 'list.json').write_text(json.dumps(rows))
    assert list(objects(tmp_path / 'list.json')) == rows
    table = dict(info=dict(rows=[{}]), rows=rows, other=[dict(a=1)])
    (tmp_path / 'table.json').write_text(json.dumps(table, indent=1))
    assert list(objects(tmp_path / 'table.json', member='rows')) == rows


@pytest.mark.parametrize('cut', [1, 5, 9, 14, 20, 30])
def test_a_file_that_ends_early_is_refused(cut: int, tmp_path: Path) -> None:
    text = json.dumps(dict(a=[1, dict(b='c')], d='e', f=[[[1]]]))
    assert len(text) > 30
    path = tmp_path / 'x.json'
    path.write_text(text[:cut])
    with pytest.raises(ValueError, match=r'x\.json ends early'):
        list(members(path))


@pytest.mark.parametrize(
    ('text', 'said'), [('', 'is empty'), ('[1]', 'no.* JSON object'), ('1', 'object')]
)
def test_what_is_no_object_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / 'x.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        list(members(path))


def test_objects_of_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'x.json'
    path.write_text('[{"a": 1}, {"a"')
    with pytest.raises(ValueError, match='ends early'):
        list(objects(path))
    path.write_text('{"a": []}')
    with pytest.raises(ValueError, match="no member 'images'"):
        list(objects(path, member='images'))
