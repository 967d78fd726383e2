"""How many codes of a codebook are used, and how evenly."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

COUNTABLE = 2**24  # codes: 8 bytes each on every rank


def no_counts(codebook_size: int, device: torch.device) -> Tensor:
    """Return zeros for `count_tokens` to add to, int64, (k + 1,).

    The place after the last code is for tokens that have no code.
    """
    return torch.zeros(codebook_size + 1, dtype=torch.int64, device=device)


def count_tokens(tokens: Tensor, counts: Tensor) -> None:
    """Add tokens of any shape to `counts` (k + 1,), in place, without a device sync."""
    flat = places(tokens, len(counts) - 1)
    # Not bincount, which waits for the device too, to learn the largest token.
    counts.scatter_add_(0, flat, torch.ones_like(flat))


def places(tokens: Tensor, codebook_size: int) -> Tensor:
    """Return where tokens of any shape, n in all, are counted: int64, (n,).

    Those that have no code go to the place after the last one. They are reported in
    `codebook_statistics`: to raise here would wait for the device.
    """
    flat = rearrange(tokens, '... -> (...)').long()
    return torch.where((flat < 0) | (flat >= codebook_size), codebook_size, flat)


def joint_tokens(tokens: Tensor, token_sizes: Sequence[int]) -> Tensor:
    """Return one token for the sub-tokens of a position, the first moving slowest.

    Args:
        tokens: (..., g).
        token_sizes: Vocabulary of each sub-token; their product must be below 2^63.

    Returns:
        Tokens below that product, int64, (...); -1 where a sub-token has no code.
    """
    joint = torch.zeros_like(tokens[..., 0], dtype=torch.int64)
    stray = torch.zeros_like(joint, dtype=torch.bool)
    for part, size in zip(tokens.unbind(-1), token_sizes, strict=True):
        joint = joint * size + part
        stray |= (part < 0) | (part >= size)
    return joint.masked_fill(stray, -1)


def codebook_statistics(counts: Tensor) -> dict[str, float]:
    """Describe how often each code was chosen.

    Args:
        counts: What `count_tokens` has counted, int64, (k + 1,).

    Returns:
        usage: Share of codes that were chosen at all, in [0, 1].
        entropy: Of the tokens' distribution, in nats; at most ln k.
        perplexity: exp(entropy): how many equally frequent codes would be as even.

    Raises:
        ValueError: There was no token, or there were tokens without a code.
    """
    if strays := int(counts[-1]):
        raise ValueError(
            f'{strays} tokens lie outside of the codebook: they must be >= 0 '
            f'and < codebook_size={len(counts) - 1}'
        )
    counts = counts[:-1]
    if not counts.any():
        raise ValueError('there is no token whose code could be counted')
    probabilities = counts.double() / counts.sum()
    entropy = torch.special.entr(probabilities).sum()
    usage = (counts > 0).double().mean()
    return {
        'usage': usage.item(),
        'perplexity': entropy.exp().item(),
        'entropy': entropy.item(),
    }
