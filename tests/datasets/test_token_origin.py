"""Tokens of another codebook, grid or tokenizer are told apart."""

from pathlib import Path

import pytest

from tests.datasets.test_token_store import META
from vq.datasets import TokenOrigin

ORIGIN = TokenOrigin.of(Path('/data/tokens'), META)


def test_what_fits_is_taken() -> None:
    assert (ORIGIN.grid, ORIGIN.token_sizes) == ((2, 3), (512,))
    for grid in (None, (2, 3)):
        ORIGIN.check_sizes(token_sizes=(512,), grid=grid)
    assert ORIGIN.mismatch('ab' * 32) is None
    unknown = TokenOrigin(root=ORIGIN.root, grid=(2, 3), token_sizes=(512,))
    assert unknown.mismatch('cd' * 32) is None


def test_another_tokenizer_is_told_with_both_hashes_and_the_way_out() -> None:
    expected = (
        '/data/tokens holds tokens of the tokenizer abababababab..., but that of the '
        'model is cdcdcdcdcdcd...; load the weights'
    )
    assert (ORIGIN.mismatch('cd' * 32) or '').startswith(expected)


@pytest.mark.parametrize(
    ('token_sizes', 'grid', 'message'),
    [
        ((256,), (2, 3), r'token_sizes=\(512,\), the model is for .*=\(256,\); give'),
        ((512, 2), None, r'token_sizes=\(512,\), .*=\(512, 2\)'),
        ((512,), (3, 2), r'grid=\(2, 3\), .* grid=\(3, 2\)'),
    ],
)
def test_other_sizes_are_refused(
    token_sizes: tuple[int, ...], grid: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=f'/data/tokens holds tokens of {message}'):
        ORIGIN.check_sizes(token_sizes=token_sizes, grid=grid)
