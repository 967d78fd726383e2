"""Tables are read as Python's csv reads them, and what is missing is listed."""

import csv
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.datasets.miniatures import categories, ids
from tests.datasets.pictures import noise, save_folder
from tests.log import Records
from vq import paths
from vq.datasets import CSVDataset, MissingDataError, Unreadable
from vq.datasets.missing import FEW

NAMES = ['b.png', 'deep/a.png', 'with, comma.png', 'ä "ö".png', 'a b.png', '9.png']


def write(path: Path, rows: list[list[str]], **options: Any) -> Path:
    """Write a table."""
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file, **options).writerows(rows)
    return path


def table(root: Path, names: list[str], **options: Any) -> Path:
    """Write a table of pictures between other columns."""
    rows = [['score', 'image_name', 'caption']]
    rows += [[str(i), name, 'one, "two"\nthree'] for i, name in enumerate(names)]
    return write(root / 'table.csv', rows, **options)


@pytest.mark.parametrize('delimiter', [',', '\t', ';'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
@pytest.mark.parametrize('mark', [b'', b'\xef\xbb\xbf'])
def test_a_table_is_its_rows(
    tmp_path: Path, delimiter: str, end: str, mark: bytes
) -> None:
    save_folder(tmp_path, NAMES)
    path = table(tmp_path, NAMES, delimiter=delimiter, lineterminator=end)
    path.write_bytes(mark + path.read_bytes() + end.encode())
    dataset = CSVDataset(csv=str(path))
    assert ids(dataset) == NAMES
    for index in range(len(NAMES)):
        expected = torch.from_numpy(noise(8, 8, seed=index)).permute(2, 0, 1)
        assert torch.equal(dataset.read(index), expected)
    assert dataset.categories == [] and set(categories(dataset)) == {0}
    assert dataset.description == str(path)
    assert dataset.name == f'{tmp_path.name}/table.csv'


def test_paths_are_relative_to_the_root_or_whole(tmp_path: Path) -> None:
    root, other = tmp_path / 'root', tmp_path / 'other'
    save_folder(root, ['a.png', 'b.png'])
    save_folder(other, ['a.png'])
    names = [
        'a.png',
        str(root / 'b.png'),
        str(other / 'a.png'),
        '../other/../root/b.png',
    ]
    path = table(tmp_path, names[:3])
    dataset = CSVDataset(csv=str(path), data_root=str(root))
    # An id may become the name of a file below some other folder.
    assert ids(dataset) == ['a.png', 'b.png', f'{other}/a.png'.lstrip('/')]
    assert all(dataset.read(i).shape == (3, 8, 8) for i in range(3))
    around = table(tmp_path, ['../other/../root/b.png', '../other/a.png'])
    assert ids(CSVDataset(csv=str(around), data_root=str(root))) == [
        'b.png', f'{other}/a.png'.lstrip('/')
    ]  # fmt: skip


def test_relative_tables_and_roots_lie_below_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_folder(tmp_path / 'data' / 'cats', ['a.png'])
    table(tmp_path, ['a.png'])
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    assert ids(CSVDataset(csv='table.csv', data_root='data/cats')) == ['a.png']


def test_a_separator_can_be_forced(tmp_path: Path) -> None:
    save_folder(tmp_path, ['a,b.png', 'c.png'])
    path = tmp_path / 'table.txt'
    path.write_text('image_name\na,b.png\nc.png\n')
    with pytest.raises(
        ValueError, match=r"line 2: 1 fields .* ',' .* got 2: 'a,b.png'"
    ):
        CSVDataset(csv=str(path))
    assert ids(CSVDataset(csv=str(path), separator='\t')) == ['a,b.png', 'c.png']
    assert ids(CSVDataset(csv=str(path), separator=';')) == ['a,b.png', 'c.png']


def test_a_table_as_spreadsheets_leave_it(tmp_path: Path) -> None:
    names = ['a.png', 'b.png', ' c.png']
    save_folder(tmp_path, names)
    path = tmp_path / 't.csv'
    path.write_text('image_name, kind\na.png, 10\nb.png, 9\n" c.png", 9\n,\n   \n,')
    dataset = CSVDataset(csv=str(path), category_column='kind')
    assert ids(dataset) == names
    assert dataset.categories == ['9', '10'] and categories(dataset) == [1, 0, 0]


@pytest.mark.parametrize(
    ('labels', 'expected'),
    [(['dog', 'cat', 'dog'], ['cat', 'dog']), (['10', '9', '10'], ['9', '10'])],
)
def test_classes_are_those_of_a_column(
    tmp_path: Path, labels: list[str], expected: list[str]
) -> None:
    names = ['a.png', 'gone.png', 'b.png', 'c.png', 'a.png']
    save_folder(tmp_path, ['a.png', 'b.png', 'c.png'])
    rows = list(zip(names, [labels[0], labels[0], *labels[1:], 'z'], strict=True))
    path = write(tmp_path / 't.csv', [['f', 'kind'], *map(list, rows[:-1])])
    options: dict[str, Any] = dict(csv=str(path), column='f', category_column='kind')
    dataset = CSVDataset(**options, on_missing='skip')
    assert ids(dataset) == ['a.png', 'b.png', 'c.png']
    assert dataset.categories == expected
    assert [expected[c] for c in categories(dataset)] == labels


def test_a_picture_counts_once(tmp_path: Path, log: Records) -> None:
    save_folder(tmp_path, ['a.png', 'b.png'])
    rows = [['image_name', 'kind'], ['b.png', 'x'], ['a.png', 'y'], ['./b.png', 'z']]
    path = write(tmp_path / 't.csv', rows)
    dataset = CSVDataset(csv=str(path), category_column='kind')
    assert ids(dataset) == ['b.png', 'a.png']
    assert [dataset.categories[c] for c in categories(dataset)] == ['x', 'y']
    assert '1 of 3 rows name an image of an earlier row' in log.texts()[-1]


@pytest.mark.parametrize('number', [3, 3 * FEW])
def test_missing_files_are_listed(tmp_path: Path, number: int, log: Records) -> None:
    names = [f'{folder}/{i}.png' for i in range(number) for folder in 'ab']
    gone = [*names[::5], 'nowhere/0.png']
    save_folder(tmp_path, [name for name in names if name not in gone])
    path = table(tmp_path, [*names, 'nowhere/0.png'])
    shown = rf'{len(gone)} of {len(names) + 1} images .*: a/0.png, .*csv.missing\).*'
    with pytest.raises(MissingDataError, match=f"(?s){shown}on_missing='skip'"):
        CSVDataset(csv=str(path))
    assert (tmp_path / 'table.csv.missing').read_text().split() == gone
    dataset = CSVDataset(csv=str(path), on_missing='skip')
    assert ids(dataset) == [name for name in names if name not in gone]
    assert log.texts()[-1].endswith('they are left out')
    for name in set(names) - set(gone):
        (tmp_path / name).unlink()
    with pytest.raises(
        MissingDataError, match=f'{len(names) + 1} of {len(names) + 1} '
    ):
        CSVDataset(csv=str(path), on_missing='skip')


def test_a_list_that_cannot_be_written_beside_the_table_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    path = table(tmp_path, ['a.png'])
    (tmp_path / 'table.csv.missing').mkdir()  # no file can take its place
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    with pytest.raises(MissingDataError, match='listed in .*work_dirs/missing/table'):
        CSVDataset(csv=str(path))
    found = list((tmp_path / 'work_dirs' / 'missing').iterdir())
    assert [file.read_text() for file in found] == ['a.png\n']
    assert 'table.csv.missing cannot be written' in log.texts()[-1]
    (tmp_path / 'file').touch()
    monkeypatch.setattr(paths, 'ROOT', tmp_path / 'file')
    with pytest.raises(MissingDataError, match=r'not there: a\.png; relative'):
        CSVDataset(csv=str(path))


def test_what_is_no_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / 't.csv'
    with pytest.raises(MissingDataError, match='no table .*t.csv; option csv'):
        CSVDataset(csv=str(path))
    for text, match in (
        ('', 'is empty; its first line must name the columns'),
        ('image_name\n', 'has no rows'),
        ('file,score\na.png,1\n', r"no column 'image_name', but \['file', 'score'\]"),
        ('image_name,score\na.png\n', r"line 2: 2 fields .*, got 1: 'a.png'"),
        (f'image_name\n"{"x" * 200_000}', 'line 2: field larger than'),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=match):
            CSVDataset(csv=str(path))
    with pytest.raises(ValueError, match="one character, got ', '"):
        CSVDataset(csv=str(path), separator=', ')
    with pytest.raises(ValueError, match="on_missing must be one of .*'ignore'"):
        CSVDataset(csv=str(path), on_missing='ignore')  # type: ignore[arg-type]


def test_broken_files_are_what_on_error_says(tmp_path: Path) -> None:
    save_folder(tmp_path, ['a.png', 'b.png'])
    (tmp_path / 'a.png').write_bytes(b'')
    dataset = CSVDataset(csv=str(table(tmp_path, ['a.png', 'b.png'])), on_error='skip')
    assert dataset[0] == Unreadable(['a.png: the file is empty'])
    os.remove(tmp_path / 'b.png')  # after it was looked for
    assert dataset[1] == Unreadable(['b.png: No such file or directory'])


def test_a_data_set_is_light_to_send_to_a_worker(tmp_path: Path) -> None:
    names = [f'{i:06d}.png' for i in range(300)]
    for name in names:
        (tmp_path / name).touch()
    dataset = CSVDataset(csv=str(table(tmp_path, names)))
    assert len(pickle.dumps(dataset)) < sum(map(len, names)) + 300 * 8 + 2000
    assert ids(pickle.loads(pickle.dumps(dataset))) == names
