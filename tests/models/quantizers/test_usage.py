"""Tokens are counted where they belong, whatever their shape."""

import torch

from vq.models.quantizers.usage import count_tokens, no_counts, places


def test_counts_are_those_of_bincount_and_strays_have_a_place() -> None:
    tokens = torch.tensor([[[0, 3], [3, 7]], [[-1, 4], [2, 3]]])
    expected = torch.bincount(tokens.flatten().clamp(min=0), minlength=5)[:4]
    expected[0] -= 1  # which was -1
    counts = no_counts(4, torch.device('cpu'))
    count_tokens(tokens, counts)
    assert counts[:4].tolist() == expected.tolist()
    assert int(counts[4]) == 3
    assert places(tokens, 4).tolist() == [0, 3, 3, 4, 4, 4, 2, 3]
