"""Names are a list of strings in little room."""

import os

import pytest

from vq.datasets.names import Names


def test_names_equal_the_list() -> None:
    names = ['cat/1.png', '', 'ä/ö.png', os.fsdecode(b'not utf-8 \xff.png')]
    table = Names(iter(names))
    assert [table[i] for i in range(len(table))] == names
    assert len(Names([])) == 0


@pytest.mark.parametrize('index', [-1, 2])
def test_index_out_of_range_is_shown(index: int) -> None:
    with pytest.raises(IndexError, match=str(index)):
        Names(['a', 'b'])[index]
