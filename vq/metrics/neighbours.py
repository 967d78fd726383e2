"""Metrics of nearest neighbours: is an image as close as the others are to each other?

Precision and recall are https://arxiv.org/abs/1904.06991, density and coverage are
https://arxiv.org/abs/2002.09797. Distances are float64 and come in chunks, so that
memory does not grow with the square of the number of images.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from vq.metrics.bank import BankedMetric, check_sizes
from vq.registry import METRICS

CHUNK_BYTES = 2**28  # of distances at once
ROUNDING = 1e-12  # of squared distances, a share of the longest feature's square


def precision_recall(
    features: Tensor,
    reference: Tensor,
    *,
    neighbours: int = 3,
    chunk_bytes: int = CHUNK_BYTES,
) -> dict[str, float]:
    """Return precision, recall and their harmonic mean.

    Precision is the share of features that lie in a ball of the reference, recall that
    of the reference that lies in a ball of the features. An image's ball reaches to its
    k-th nearest neighbour in its own set, whose distance still lies within.

    Args:
        features: (n, d).
        reference: (m, d).
        neighbours: That k.
        chunk_bytes: Size of the chunks of distances.

    Raises:
        ValueError: A set has no more than k images.
    """
    x, y = _prepare(features, reference, neighbours)
    slack = _slack(x, y)
    radii_x = _radii(x, neighbours, chunk_bytes) + slack
    radii_y = _radii(y, neighbours, chunk_bytes) + slack
    precise = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    recalled = []
    for rows, distances in _chunks(y, x, chunk_bytes):
        precise |= (distances <= radii_y[rows, None]).any(0)
        recalled.append((distances <= radii_x).any(1))
    precision = precise.double().mean().item()
    recall = torch.cat(recalled).double().mean().item()
    total = precision + recall
    f_score = 2 * precision * recall / total if total else 0.0
    return dict(precision=precision, recall=recall, f_score=f_score)


def density_coverage(
    features: Tensor,
    reference: Tensor,
    *,
    neighbours: int = 5,
    chunk_bytes: int = CHUNK_BYTES,
) -> dict[str, float]:
    """Return density and coverage.

    Density is the number of balls of the reference that a feature lies in, over k, on
    average; it may exceed 1. Coverage is the share of those balls that hold a feature.
    Unlike precision's, a ball ends before the k-th neighbour: a set has a density of 1
    from itself.

    Args:
        features: (n, d).
        reference: (m, d).
        neighbours: That k.
        chunk_bytes: Size of the chunks of distances.

    Raises:
        ValueError: A set has no more than k images.
    """
    x, y = _prepare(features, reference, neighbours)
    radii = _radii(y, neighbours, chunk_bytes) - _slack(x, y)
    held = torch.cat(
        [
            (distances < radii[rows, None]).sum(1)
            for rows, distances in _chunks(y, x, chunk_bytes)
        ]
    )
    density = held.sum().item() / (neighbours * len(x))
    coverage = (held > 0).double().mean().item()
    return dict(density=density, coverage=coverage)


def _prepare(x: Tensor, y: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    argument = f'neighbours={neighbours}'
    check_sizes(x, y, least=neighbours + 1, argument=argument)
    return x.double(), y.double()


def _slack(x: Tensor, y: Tensor) -> Tensor:
    """Return how much squared distances may differ by rounding, and how differently.

    Without it, equal distances would compare as the size of the chunk makes them.
    """
    longest = torch.maximum(*(z.square().sum(1).max() for z in (x, y)))
    return ROUNDING * longest


def _radii(x: Tensor, neighbours: int, chunk_bytes: int) -> Tensor:
    """Return each point's squared distance to its k-th neighbour: (n, d) -> (n,)."""
    found = [
        distances.kthvalue(neighbours + 1).values  # it is its own first neighbour
        for _, distances in _chunks(x, x, chunk_bytes)
    ]
    return torch.cat(found)


def _chunks(x: Tensor, y: Tensor, chunk_bytes: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield squared distances of some of (n, d) to all of (m, d): a slice, (r, m)."""
    rows = max(1, chunk_bytes // (8 * len(y)))
    squares = y.square().sum(1)
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        own = part.square().sum(1, keepdim=True)
        distances = torch.addmm(own + squares, part, y.T, alpha=-2)
        yield slice(start, start + rows), distances


class NeighboursMetric(BankedMetric):
    """What precision and recall, density and coverage have in common.

    Args:
        reference: See `BankedMetric`.
        neighbours: The neighbour that an image's ball reaches to; None is `usual`.
        number: See `BankedMetric`.
        extractor: See `FeatureMetric`. The papers' is a VGG16.

    Attributes:
        usual: The neighbour that the paper takes.
    """

    usual: int

    def __init__(
        self,
        *,
        reference: str | None = None,
        neighbours: int | None = None,
        number: int | None = None,
        extractor: Mapping[str, Any] | None = None,
    ) -> None:
        self.neighbours = self.usual if neighbours is None else neighbours
        if self.neighbours < 1:
            raise ValueError(f'neighbours must be 1 at least, got {neighbours}')
        super().__init__(
            reference=reference,
            least=self.neighbours + 1,
            argument=f'neighbours={self.neighbours}',
            number=number,
            extractor=extractor,
        )

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, and how large a ball is."""
        return dict(super().protocol(), neighbours=self.neighbours)


@METRICS.register_module()
class PrecisionRecallMetric(NeighboursMetric):
    """Precision, recall and f_score of features to those of cached statistics.

    See `NeighboursMetric` for the arguments; a ball reaches to the third neighbour.
    """

    results = ('precision', 'recall', 'f_score')
    usual = 3

    def _measure(self, features: Tensor, reference: Tensor) -> dict[str, float]:
        return precision_recall(features, reference, neighbours=self.neighbours)


@METRICS.register_module()
class DensityCoverageMetric(NeighboursMetric):
    """Density and coverage of features to those of cached statistics.

    See `NeighboursMetric` for the arguments; a ball reaches to the fifth neighbour.
    """

    results = ('density', 'coverage')
    usual = 5

    def _measure(self, features: Tensor, reference: Tensor) -> dict[str, float]:
        return density_coverage(features, reference, neighbours=self.neighbours)
