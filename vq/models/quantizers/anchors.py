"""Anchors: the latents that unused codes move to (https://arxiv.org/abs/2307.15139)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vq.models.layers import full_precision
from vq.models.quantizers.search import BUDGET_BYTES, Distance, nearest_code

Anchor = Literal['nearest', 'random', 'probabilistic']
ANCHORS = ('nearest', 'random', 'probabilistic')


def nearest_rows(codes: Tensor, rows: Tensor, *, distance: Distance) -> Tensor:
    """Return each code's nearest latent: a search with the roles changed.

    Args:
        codes: (k, d).
        rows: Latents, (n, d).
        distance: See `nearest_code`.

    Returns:
        Indices of rows, int64, (k,).
    """
    indices: Tensor = nearest_code(codes, rows, distance=distance)
    return indices


@torch.no_grad()
def probable_rows(
    codes: Tensor,
    rows: Tensor,
    *,
    distance: Distance,
    budget_bytes: int = BUDGET_BYTES,
) -> Tensor:
    """Draw a latent for each code, the likelier the more alike it is.

    A code's probabilities are the softmax of `similarities` over all latents: near ones
    are favoured.

    Args:
        codes: (k, d), at least float32.
        rows: Latents, (n, d), likewise.
        distance: See `similarities`.
        budget_bytes: How large a matrix of chunk and latents may be.

    Returns:
        Indices of rows, int64, (k,).
    """
    chunk = max(1, budget_bytes // (len(rows) * rows.element_size()))
    drawn = []
    for part in torch.split(codes, chunk):
        scores = similarities(part, rows, distance=distance)
        # The largest of scores and Gumbel noise is a draw from their softmax.
        noise = torch.empty_like(scores).exponential_().log_()
        drawn.append((scores - noise).argmax(-1))
    return torch.cat(drawn)


def random_rows(number: int, rows: Tensor) -> Tensor:
    """Draw indices of rows (n, d), each as often as chance has it, int64, (number,)."""
    return torch.randint(len(rows), (number,), device=rows.device)


def shuffled(number: int, device: torch.device) -> Tensor:
    """Return 0 to number - 1 in a random order, int64, (number,)."""
    return torch.randperm(number, device=device)


def contrastive_loss(
    codes: Tensor,
    rows: Tensor,
    *,
    distance: Distance,
    temperature: float,
    budget_bytes: int = BUDGET_BYTES,
) -> Tensor:
    """Return the loss that makes codes like their nearest latents and no others.

    For each code the mean of its n / k largest similarities (one at least) is set
    against the smaller half of all n: the cross entropy of the former, averaged over
    codes. A matrix (k, n) larger than the budget is made in chunks, and again in the
    backward pass, with the same result.

    Args:
        codes: (k, d), at least float32.
        rows: Latents, (n, d), likewise; they get no gradient.
        distance: See `similarities`.
        temperature: Positive; what similarities are divided by.
        budget_bytes: How large a matrix of chunk and latents may be.
    """
    rows = rows.detach()
    positives = max(1, len(rows) // len(codes))
    chunk = max(1, budget_bytes // (len(rows) * rows.element_size()))
    parts = torch.split(codes, chunk)
    options = (rows, distance, temperature, positives)
    if len(parts) == 1:
        return _contrast(codes, *options) / len(codes)
    sums = [
        checkpoint(
            _contrast, part, *options, use_reentrant=False, preserve_rng_state=False
        )
        for part in parts
    ]
    return torch.stack(sums).sum() / len(codes)


def _contrast(
    codes: Tensor, rows: Tensor, distance: Distance, temperature: float, positives: int
) -> Tensor:
    """Return the sum of the codes' cross entropies."""
    # Here, not around the call: the backward pass comes here again.
    with full_precision(rows):
        ordered = similarities(codes, rows, distance=distance).sort(-1).values
        positive = ordered[:, -positives:].mean(-1, keepdim=True)
        logits = torch.cat([positive, ordered[:, : len(rows) // 2]], dim=1)
        log_shares = (logits / temperature).log_softmax(-1)
        return -log_shares[:, 0].sum()


def similarities(codes: Tensor, rows: Tensor, *, distance: Distance) -> Tensor:
    """Return how alike codes (k, d) and latents (n, d) are, (k, n).

    Args:
        codes: At least float32.
        rows: Likewise.
        distance: 'l2' for minus the squared distance, 'cosine' for the cosine, 'inner'
            for the inner product.
    """
    if distance == 'cosine':
        codes, rows = (functional.normalize(x, dim=-1) for x in (codes, rows))
    if distance != 'l2':
        return codes @ rows.T
    # Around the latents' centre, far from which the differences would be rounded off.
    centre = rows.mean(0)
    codes, rows = codes - centre, rows - centre
    lengths = torch.addmm(
        rows.square().sum(-1), codes, rows.T, alpha=-2
    ) + codes.square().sum(-1, keepdim=True)
    return -lengths
