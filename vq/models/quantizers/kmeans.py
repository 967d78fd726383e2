"""K-means: Lloyd's rounds in chunks, seeded, on the sphere or off it."""

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.search import BUDGET_BYTES, Distance, nearest_code


@torch.no_grad()
def kmeans(
    rows: Tensor,
    number: int,
    *,
    distance: Distance = 'l2',
    rounds: int = 10,
    start: Tensor | None = None,
    seed: int = 0,
    budget_bytes: int = BUDGET_BYTES,
) -> tuple[Tensor, Tensor]:
    """Return the centres of clusters, and how many rows the last round gave to each.

    Equal rows and seeds give equal centres, on a GPU too: ranks that hold the same rows
    agree without a word. A cluster that loses all its rows keeps its centre.

    Args:
        rows: (n, d).
        number: Of clusters, k.
        distance: 'l2', or 'cosine' for spherical k-means, whose centres have length 1.
        rounds: Of assignment and averaging.
        start: Which rows are the first centres, (k,); k drawn rows by default.
        seed: Of that draw.
        budget_bytes: See `nearest_code`.

    Returns:
        Centres, at least float32, (k, d), and counts, int64, (k,).

    Raises:
        ValueError: There are fewer rows than clusters, or the distance is 'inner': long
            centres would draw all rows to them.
    """
    if distance not in ('l2', 'cosine'):
        raise ValueError(f"k-means knows 'l2' and 'cosine', got {distance!r}")
    if number > len(rows):
        raise ValueError(f'{len(rows)} rows make no {number} clusters')
    rows = at_least_float32(rows)
    if distance == 'cosine':
        rows = functional.normalize(rows, dim=-1)
    if start is None:
        generator = torch.Generator().manual_seed(seed)
        start = torch.randperm(len(rows), generator=generator)[:number].to(rows.device)
    centres = rows[start]
    counts = torch.zeros(number, dtype=torch.int64, device=rows.device)
    for _ in range(rounds):
        tokens = nearest_code(
            rows, centres, distance=distance, budget_bytes=budget_bytes
        )
        counts = torch.bincount(tokens, minlength=number)
        # Sorted and summed segment by segment: `index_add_` adds in any order on a GPU.
        segments = rows[tokens.argsort(stable=True)]
        sums = torch.segment_reduce(segments, 'sum', lengths=counts, initial=0)
        with full_precision(rows):
            means = sums / counts.clamp(min=1)[:, None]
        if distance == 'cosine':
            means = functional.normalize(means, dim=-1)
        centres = torch.where((counts > 0)[:, None], means, centres)
    return centres, counts
