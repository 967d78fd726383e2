"""Which codes are dead, and what shall take their places; all on the codes' device."""

import torch
from torch import Tensor


def dead_codes(ages: Tensor, *, limit: float, number: int | None = None) -> Tensor:
    """Return the tokens of the codes that are too old, the oldest first, (m,).

    Of equally old ones that of the smaller token comes first.

    Args:
        ages: Of each code, (k,).
        limit: The least age of a dead code.
        number: At most so many; None for all.
    """
    order = ages.argsort(descending=True, stable=True)
    return order[ages[order] >= limit][:number]


def random_rows(length: int, number: int, *, seed: int) -> Tensor:
    """Draw `number` rows of `length`, or all if there are fewer; int64, on the CPU.

    Without replacement, and the same for the same seed.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(length, generator=generator)[:number]


def worst_rows(errors: Tensor, number: int) -> Tensor:
    """Return which rows have the largest errors, the largest first, (m,).

    Args:
        errors: The quantization error of each row, (n,).
        number: At most so many.
    """
    return errors.argsort(descending=True, stable=True)[:number]


def most_used(counts: Tensor, number: int) -> Tensor:
    """Return the tokens of the codes to split, the most used first, (m,).

    A code that was chosen just once is not among them: there is nothing to share.

    Args:
        counts: How often each code was chosen, (k,).
        number: At most so many.
    """
    order = counts.argsort(descending=True, stable=True)
    return order[counts[order] > 1][:number]


def split(codes: Tensor, *, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return two codes for each, a little to either side of it; both (m, d).

    Args:
        codes: (m, d).
        share: How far they are from it, in its lengths.
        seed: Of the direction.
    """
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(codes.shape, generator=generator).to(codes)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    step = share * codes.norm(dim=-1, keepdim=True) * direction
    return codes + step, codes - step
