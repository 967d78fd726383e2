"""Codes of independent bits: bits and tokens, and how evenly codes are chosen.

Bit i of a latent is set with probability p_i = sigmoid(logit_i), and a code of d bits
has the product of its bits' probabilities. So a matrix of latents and codes is not
needed, and never made.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vq import distributed
from vq.models.layers import full_precision
from vq.models.quantizers.search import BUDGET_BYTES

LONGEST_TOKEN = 62  # bits of an int64 that is never negative
LONGEST_GROUP = 24  # bits: a table of all their codes takes 64 MiB


def bits_to_tokens(bits: Tensor, token_bits: Sequence[int]) -> Tensor:
    """Put bits together, the first of a token's bits having the weight 1.

    Args:
        bits: Of any dtype, 0 or 1, (..., d).
        token_bits: Bits of each sub-token, in order; they sum up to d.

    Returns:
        Tokens, int64: (...) if there is one a position, else (..., g).
    """
    tokens = [
        (part.long() << torch.arange(part.shape[-1], device=bits.device)).sum(-1)
        for part in torch.split(bits, list(token_bits), -1)
    ]
    return tokens[0] if len(tokens) == 1 else torch.stack(tokens, -1)


def tokens_to_bits(tokens: Tensor, token_bits: Sequence[int]) -> Tensor:
    """Take tokens apart: the inverse of `bits_to_tokens`.

    Args:
        tokens: (...) if `token_bits` has one entry, else (..., g).
        token_bits: Bits of each sub-token, in order.

    Returns:
        Bits, bool, (..., d).
    """
    if len(token_bits) == 1:
        tokens = rearrange(tokens, '... -> ... 1')
    bits = [
        (part >> torch.arange(length, device=tokens.device)) & 1
        for part, length in zip(torch.split(tokens, 1, -1), token_bits, strict=True)
    ]
    return torch.cat(bits, -1).bool()


def sample_entropy(logits: Tensor) -> Tensor:
    """Return the mean over rows of the entropy over all 2^d codes, in nats.

    It is the sum of the bits' own entropies, exactly.

    Args:
        logits: log(p / (1 - p)) of each bit, (n, d).
    """
    # H(p) is even in the logit; so written nothing cancels when the bit is sure.
    size = logits.abs()
    return (functional.softplus(-size) + size * (-size).sigmoid()).sum(-1).mean()


def batch_entropy(
    logits: Tensor, *, group_bits: int, eps: float, budget_bytes: int = BUDGET_BYTES
) -> Tensor:
    """Return the entropy of the mean over rows of the distribution over codes, in nats.

    The mean is taken over the rows of all ranks, so that two ranks train like one with
    both batches: every rank must call this equally often.

    Up to `group_bits` bits it is that of all 2^d codes. More bits are cut into groups
    of nearly equal length, whose entropies are added: that is never less than the
    whole one, and the same if the groups are independent.

    The table of a group's codes is the product of two matrices, (n, 2^(bits / 2)) each.
    If they are larger than the budget they are made in chunks of rows, and made again
    in the backward pass, with the same result; some six of the budget's size exist at
    a time.

    Args:
        logits: log(p / (1 - p)) of each bit, (n, d), at least float32.
        group_bits: At most how many bits form a group.
        eps: Inside the logarithm of a mean share.
        budget_bytes: How large such a matrix may be.
    """
    groups = _groups(logits, group_bits)
    high = (groups.shape[-1] + 1) // 2
    row_bytes = groups.shape[1] * 2**high * groups.element_size()
    parts = torch.split(groups, max(1, budget_bytes // row_bytes))
    if len(parts) == 1:
        mass = _mass(groups)
    else:
        mass = torch.zeros((), dtype=groups.dtype, device=groups.device)
        for part in parts:
            mass = mass + checkpoint(
                _mass, part, use_reentrant=False, preserve_rng_state=False
            )
    share = mass / len(logits)
    # The value is that of all ranks, the gradient that of this rank's part: averaged
    # over ranks it is exactly the whole one.
    share = distributed.mean(share.detach()) + (share - share.detach())
    return -(share * (share + eps).log()).sum()


def _groups(logits: Tensor, group_bits: int) -> Tensor:
    """Cut (n, d) into (n, g, bits); shorter groups are filled with bits that are sure.

    A code without that bit has no share then, and adds nothing to any entropy.
    """
    number = -(-logits.shape[-1] // group_bits)
    parts = logits.tensor_split(number, -1)
    bits = parts[0].shape[-1]
    filled = [
        functional.pad(part, (0, bits - part.shape[-1]), value=torch.inf)
        for part in parts
    ]
    return torch.stack(filled, 1)


def _mass(groups: Tensor) -> Tensor:
    """Sum the shares of each group's codes over rows: (n, g, bits) to (g, 2^bits)."""
    # Here, not around the call: the backward pass comes here again.
    with full_precision(groups):
        half = groups.shape[-1] // 2
        low, high = _shares(groups[..., :half]), _shares(groups[..., half:])
        return torch.einsum('n g l, n g h -> g h l', low, high).flatten(1)


def _shares(logits: Tensor) -> Tensor:
    """Return the shares of all codes of few bits, (n, g, bits) to (n, g, 2^bits)."""
    shares = logits.new_ones(*logits.shape[:-1], 1)
    for bit in logits.unbind(-1):
        choice = torch.stack([-bit, bit], -1).sigmoid()
        pairs = rearrange(choice, 'n g s -> n g s 1') * rearrange(
            shares, 'n g c -> n g 1 c'
        )
        shares = rearrange(pairs, 'n g s c -> n g (s c)')
    return shares
