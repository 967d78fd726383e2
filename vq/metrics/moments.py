"""Count, mean and covariance of features, streamed: no feature is kept or gathered."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vq import distributed
from vq.metrics.frechet import Gaussian

ROWS = 512  # features that are summed up at once: an update of (d, d) is costly


class Moments:
    """Running sums of features and of their products, in float64.

    Memory is (d, d) and a few rows, whatever the number of images. Ranks are added up
    once, at the end.

    Args:
        dim: Length d of a feature.
        device: Where the sums lie.
    """

    def __init__(self, dim: int, *, device: torch.device | str = 'cpu') -> None:
        self.dim = dim
        self.count = 0
        self._sum = torch.zeros(dim, dtype=torch.float64, device=device)
        self._products = torch.zeros(dim, dim, dtype=torch.float64, device=device)
        self._rows: list[Tensor] = []
        self._waiting = 0

    def update(self, features: Tensor) -> None:
        """Add features (b, d).

        Raises:
            ValueError: They have another length.
        """
        if features.shape[1:] != (self.dim,):
            raise ValueError(
                f'features must be (b, {self.dim}), got {tuple(features.shape)}'
            )
        # Doubled at once: a view would keep the network's whole map alive.
        self._rows.append(features.to(self._sum))
        self._waiting += len(features)
        self.count += len(features)
        if self._waiting >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            rows = torch.cat(self._rows)
            self._sum += rows.sum(0)
            self._products.addmm_(rows.T, rows)
        self._rows, self._waiting = [], 0

    def add(self, state: Mapping[str, Any]) -> None:
        """Add what `state_dict` returned, of this run or another."""
        self._flush()
        self.count += int(state['count'])
        self._sum += state['sum'].to(self._sum)
        self._products += state['products'].to(self._products)

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of this rank: `count`, `sum` (d,), `products` (d, d)."""
        self._flush()
        return dict(count=self.count, sum=self._sum, products=self._products)

    def gaussian(self) -> Gaussian:
        """Return mean and covariance over all ranks, on the CPU; all must call it.

        Raises:
            ValueError: There are fewer than two images.
        """
        self._flush()
        count = self._sum.new_tensor([self.count])
        sums = torch.cat([count, self._sum, self._products.flatten()])
        sums = distributed.sum_(sums).cpu()
        total, products = sums[1 : self.dim + 1], sums[self.dim + 1 :]
        n = int(sums[0])
        if n < 2:
            raise ValueError(f'a covariance needs two images at least, got {n}')
        mean = total / n
        products = products.view(self.dim, self.dim)
        covariance = (products - n * torch.outer(mean, mean)) / (n - 1)
        # Symmetric in theory; rounding depends on the order of the sums.
        return Gaussian(mean, (covariance + covariance.T) / 2, n)
