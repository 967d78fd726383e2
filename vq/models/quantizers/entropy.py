"""How sure each latent is of its code, and how evenly all codes are chosen.

The entropy loss of LlamaGen's tokenizer (https://arxiv.org/abs/2406.06525) and, with
inner products for scores, of IBQ's (https://arxiv.org/abs/2412.02692).
"""

from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vq import distributed
from vq.models.layers import full_precision
from vq.models.quantizers.search import BUDGET_BYTES

Scores = Literal['l2', 'inner']
EPS = 1e-5  # inside the logarithm of a mean share; as both papers' code has it


def entropy_loss(
    rows: Tensor,
    codes: Tensor,
    *,
    temperature: float,
    scores: Scores = 'l2',
    budget_bytes: int = BUDGET_BYTES,
) -> Tensor:
    """Return the mean entropy of a row's assignment less that of the mean assignment.

    A row's assignment is the softmax of its scores of all codes over the temperature.
    The mean is taken over the rows of all ranks, so that two ranks
    train like one with both batches: every rank must call this equally often.

    Time and memory are those of a search with gradients. A matrix (n, k) larger than
    the budget is made in chunks and made again in the backward pass, with the same
    result; some five matrices of the budget's size exist at a time.

    Args:
        rows: Latents, (n, d), at least float32.
        codes: The codebook, (k, d), likewise.
        temperature: Positive; the lower, the harder the assignment.
        scores: 'l2' for minus the squared distances, 'inner' for the inner products.
        budget_bytes: How large a matrix of chunk and codes may be.
    """
    # Assignments are the same around any centre, and precise around this one. An inner
    # product then loses what is the same for all codes.
    centre = codes.detach().mean(0)
    codes = codes - centre
    if scores == 'l2':
        rows = rows - centre
    chunk = max(1, budget_bytes // (len(codes) * rows.element_size()))
    parts = torch.split(rows, chunk)
    if len(parts) == 1:
        entropy, mass = _assign(rows, codes, temperature, scores)
    else:
        sums = [
            checkpoint(
                _assign,
                part,
                codes,
                temperature,
                scores,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for part in parts
        ]
        entropy, mass = (torch.stack(term).sum(0) for term in zip(*sums, strict=True))
    share = mass / len(rows)
    # The value is that of all ranks, the gradient that of this rank's part: averaged
    # over ranks it is exactly the whole one.
    share = distributed.mean(share.detach()) + (share - share.detach())
    mean_entropy = -(share * (share + EPS).log()).sum()
    return entropy / len(rows) - mean_entropy


def _assign(
    rows: Tensor, codes: Tensor, temperature: float, scores: Scores
) -> tuple[Tensor, Tensor]:
    """Return the sum of the rows' entropies, and each code's sum of shares, (k,)."""
    # Here, not around the call: the backward pass comes here again.
    with full_precision(rows):
        if scores == 'inner':
            logits = rows @ codes.T
        else:
            # Minus the squared distance but for |row|^2, which softmax takes away.
            logits = torch.addmm(-codes.square().sum(-1), rows, codes.T, alpha=2)
        log_shares = (logits / temperature).log_softmax(-1)
        shares = log_shares.exp()
        return -(shares * log_shares).sum(), shares.sum(0)
