"""Codes as they are typed, replaced and counted."""

from collections import Counter

import pytest
import torch

from vq.editing.codes import (
    commonest,
    equal,
    parse_change,
    parse_code,
    replace,
    told,
)


def grid(*shape: int, size: int) -> torch.Tensor:
    return torch.randint(size, shape, generator=torch.Generator().manual_seed(0))


def test_replacing_equals_a_dictionary() -> None:
    tokens = grid(5, 6, size=4)
    table = {1: 2, 2: 1, 0: 3}  # 1 and 2 change places
    expected = [[table.get(code, code) for code in row] for row in tokens.tolist()]
    changes = [parse_change(f'{old}:{new}', [4]) for old, new in table.items()]
    assert replace(tokens, changes).tolist() == expected
    assert torch.equal(replace(tokens, []), tokens)


def test_codes_of_sub_tokens_are_replaced_whole() -> None:
    tokens = grid(4, 4, 2, size=2)
    changed = replace(tokens, [parse_change('1,0:0,1', (2, 2))])
    pairs = [tuple(pair) for row in tokens.tolist() for pair in row]
    expected = [(0, 1) if pair == (1, 0) else pair for pair in pairs]
    assert [tuple(p) for row in changed.tolist() for p in row] == expected
    assert int(equal(tokens, (1, 0)).sum()) == pairs.count((1, 0)) > 0


@pytest.mark.parametrize(('shape', 'groups'), [((6, 7), 1), ((6, 7, 2), 2)])
def test_the_commonest_codes_are_those_of_a_counter(
    shape: tuple[int, ...], groups: int
) -> None:
    tokens = grid(*shape, size=3)
    counter = Counter(map(tuple, tokens.reshape(-1, groups).tolist()))
    expected = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    assert commonest(tokens, groups=groups) == expected


def test_codes_are_typed_as_they_are_told() -> None:
    assert parse_code('7', [8]) == (7,)
    assert parse_code(told((3, 5)), [4, 6]) == (3, 5)


@pytest.mark.parametrize(
    ('text', 'sizes', 'problem'),
    [
        ('8', [8], 'code 8: 8 is not in the codebook, which has 0 to 7'),
        ('-1', [8], '-1 is not in the codebook'),
        ('3,6', [4, 6], 'code 3,6: 6 is not in the codebook, which has 0 to 5'),
        ('3', [4, 6], "'3' is no code: a token has 2 numbers here, k,l"),
        ('x', [8], "'x' is no code: write k, in numbers"),
    ],
)
def test_what_is_no_code_is_refused(text: str, sizes: list[int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_code(text, sizes)
    with pytest.raises(ValueError, match="'3' is no change of a code: write OLD:NEW"):
        parse_change('3', [8])
