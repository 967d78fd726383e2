"""K-means: Lloyd's rounds in chunks, seeded, on the sphere or off it."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers.search import BUDGET_BYTES, Distance, nearest_code

Start = Literal['random', 'kmeans++']
STARTS = ('random', 'kmeans++')


@torch.no_grad()
def kmeans(
    rows: Tensor,
    number: int,
    *,
    distance: Distance = 'l2',
    rounds: int = 10,
    start: Tensor | Start = 'random',
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
        start: Which rows are the first centres, (k,); or 'random' for drawn rows,
            'kmeans++' for those that `spread_rows` draws far from each other.
        seed: Of that draw.
        budget_bytes: See `nearest_code`.

    Returns:
        Centres, at least float32, (k, d), and counts, int64, (k,).

    Raises:
        ValueError: There are fewer rows than clusters, the start is unknown, or the
            distance is 'inner': long centres would draw all rows to them.
    """
    if distance not in ('l2', 'cosine'):
        raise ValueError(f"k-means knows 'l2' and 'cosine', got {distance!r}")
    if isinstance(start, str) and start not in STARTS:
        raise ValueError(f'start must be one of {STARTS}, got {start!r}')
    if number > len(rows):
        raise ValueError(f'{len(rows)} rows make no {number} clusters')
    rows = at_least_float32(rows)
    if distance == 'cosine':
        rows = functional.normalize(rows, dim=-1)
    if isinstance(start, str):
        draw = spread_rows if start == 'kmeans++' else _random_rows
        start = draw(rows, number, seed=seed)
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


@torch.no_grad()
def spread_rows(rows: Tensor, number: int, *, seed: int = 0) -> Tensor:
    """Draw first centres by k-means++ (https://dl.acm.org/doi/10.5555/1283383.1283494).

    Each is drawn with a probability in proportion to the squared distance to the
    nearest of those before it. Of 2 + ln k such draws the one is taken that leaves the
    smallest sum of them, as in scikit-learn.

    Args:
        rows: (n, d), at least float32.
        number: Of centres, k <= n.
        seed: Of the draws.

    Returns:
        Indices of rows, int64, (k,).
    """
    generator = torch.Generator().manual_seed(seed)
    trials = 2 + int(math.log(number))
    chosen = torch.randint(len(rows), (1,), generator=generator).to(rows.device)
    rows = rows - rows.mean(0)  # far from zero, small distances would be rounded off
    squares = rows.square().sum(-1)
    nearest = _squared_distances(rows, squares, chosen)[0]
    for _ in range(number - 1):
        # On the CPU, whose running sums are the same on all ranks.
        sums = nearest.double().cpu().cumsum(0)
        draws = sums[-1] * torch.rand(trials, generator=generator, dtype=sums.dtype)
        drawn = torch.searchsorted(sums, draws, right=True).clamp_(max=len(rows) - 1)
        drawn = drawn.to(rows.device)
        distances = _squared_distances(rows, squares, drawn).minimum(nearest)
        best = distances.sum(-1).argmin(0, keepdim=True)
        nearest = distances[best][0]
        chosen = torch.cat([chosen, drawn[best]])
    return chosen


def _squared_distances(rows: Tensor, squares: Tensor, chosen: Tensor) -> Tensor:
    """Return those of `chosen` (m,) to rows (n, d) of these squares (n,), (m, n)."""
    with full_precision(rows):
        products = rows[chosen] @ rows.T
    distances = (squares[chosen, None] + squares - 2 * products).clamp_(min=0)
    return distances.scatter_(1, chosen[:, None], 0)  # to itself, whatever is rounded


def _random_rows(rows: Tensor, number: int, *, seed: int) -> Tensor:
    """Draw indices of rows (n, d) without replacement, int64, (number,)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(len(rows), generator=generator)[:number].to(rows.device)
