"""Codes as they are typed and told: one number, or one a sub-token, '3' or '3,5'."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Code = tuple[int, ...]  # one number a sub-token


def parse_code(text: str, token_sizes: Sequence[int]) -> Code:
    """Return the code that was typed: 'k', or 'k,l' of two sub-tokens.

    Args:
        text: What was typed.
        token_sizes: Vocabulary of each sub-token.

    Raises:
        ValueError: It is no such code, or none of the codebook.
    """
    form = ','.join('klmnop'[: len(token_sizes)]) if len(token_sizes) < 7 else 'k,l,...'
    try:
        code = tuple(int(part) for part in text.split(','))
    except ValueError:
        raise ValueError(f'{text!r} is no code: write {form}, in numbers') from None
    if len(code) != len(token_sizes):
        raise ValueError(
            f'{text!r} is no code: a token has {len(token_sizes)} numbers here, {form}'
        )
    for part, size in zip(code, token_sizes, strict=True):
        if not 0 <= part < size:
            raise ValueError(
                f'code {text}: {part} is not in the codebook, which has 0 to {size - 1}'
            )
    return code


def parse_change(text: str, token_sizes: Sequence[int]) -> tuple[Code, Code]:
    """Return the codes of 'OLD:NEW'.

    Raises:
        ValueError: It is no such pair.
    """
    old, colon, new = text.partition(':')
    if not colon:
        raise ValueError(f'{text!r} is no change of a code: write OLD:NEW, such as 3:7')
    return parse_code(old, token_sizes), parse_code(new, token_sizes)


def told(code: Code) -> str:
    """Return a code as it is typed."""
    return ','.join(map(str, code))


def token(code: Code) -> Tensor:
    """Return the token of a code: (), or (g,) of g sub-tokens."""
    values = torch.tensor(code, dtype=torch.int64)
    return values[0] if len(code) == 1 else values


def equal(tokens: Tensor, code: Code) -> Tensor:
    """Tell where tokens (h, w) or (h, w, g) are of a code, bool, (h, w)."""
    same = tokens == token(code)
    return same if len(code) == 1 else same.all(-1)


def replace(tokens: Tensor, changes: Sequence[tuple[Code, Code]]) -> Tensor:
    """Replace codes by others, all at once, so that two codes can change places.

    Args:
        tokens: (h, w) or (h, w, g).
        changes: Pairs of old and new codes; of equal old ones the last counts.
    """
    replaced = tokens.clone()
    for old, new in changes:
        replaced[equal(tokens, old)] = token(new)
    return replaced


def commonest(tokens: Tensor, *, groups: int) -> list[tuple[Code, int]]:
    """Return the codes that occur and how often, the commonest first.

    Args:
        tokens: Of any shape; its last axis is of sub-tokens where there are several.
        groups: Number of sub-tokens of a position.
    """
    rows = tokens.reshape(-1, groups)
    codes, counts = torch.unique(rows, dim=0, return_counts=True)
    order = np.argsort(-counts.numpy(), kind='stable')  # equal ones: the lower first
    return [(tuple(codes[i].tolist()), int(counts[i])) for i in order]
