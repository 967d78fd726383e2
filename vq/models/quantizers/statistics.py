"""What the latents of a batch, on all ranks, say about each code."""

import torch
from torch import Tensor

from vq import distributed


def count_hits(tokens: Tensor, codebook_size: int) -> Tensor:
    """Return how many latents of all ranks chose each code, int64, (k,).

    Nobody waits for the device.

    Args:
        tokens: This rank's, in [0, k], (n,); those that are k are not counted.
        codebook_size: k.
    """
    counts = torch.zeros(codebook_size + 1, dtype=torch.int64, device=tokens.device)
    counts.index_add_(0, tokens, torch.ones_like(tokens))
    return distributed.sum_(counts[:-1])


def sum_hits(rows: Tensor, tokens: Tensor, codebook_size: int) -> Tensor:
    """Return the sum over the latents of all ranks that chose a code, (k, d).

    Args:
        rows: This rank's latents, finite, (n, d).
        tokens: The code of each, in [0, k], (n,); those that are k are left out.
        codebook_size: k.
    """
    sums = rows.new_zeros(codebook_size + 1, rows.shape[-1])
    sums.index_add_(0, tokens, rows)
    return distributed.sum_(sums[:-1])
