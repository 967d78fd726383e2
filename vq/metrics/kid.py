"""KID, the Kernel Inception Distance (https://arxiv.org/abs/1801.01401)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vq.metrics.bank import BankedMetric, check_sizes
from vq.registry import METRICS

SEED = 2020  # torch-fidelity's


def kernel_distance(
    features: Tensor,
    reference: Tensor,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = SEED,
) -> dict[str, float]:
    """Return mean, standard deviation and standard error of KID over subsets.

    Each subset is the unbiased squared distance of kernel means, which may be below
    zero, of images drawn without replacement from either set. The standard error is
    that of the mean, std / sqrt(subsets); subsets that share images make it too small.

    Args:
        features: (n, d).
        reference: (m, d).
        subsets: See `KIDMetric`.
        subset_size: See `KIDMetric`.
        seed: See `KIDMetric`.

    Raises:
        ValueError: There are fewer images than `subset_size`.
    """
    argument = f'subset_size={subset_size}'
    check_sizes(features, reference, least=subset_size, argument=argument)
    random = np.random.RandomState(seed)

    def draw(source: Tensor) -> Tensor:
        chosen = random.choice(len(source), subset_size, replace=False)
        return source[torch.from_numpy(chosen).to(source.device)].double()

    # The features are drawn before the reference, as torch-fidelity does.
    values = [_distance(draw(features), draw(reference)) for _ in range(subsets)]
    distances = torch.stack(values)
    std = distances.std(correction=0).item()
    error = std / math.sqrt(subsets)
    return dict(mean=distances.mean().item(), std=std, standard_error=error)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """Return the unbiased squared maximum mean discrepancy of (n, d) and (n, d)."""
    within = sum(_kernel(z, z).fill_diagonal_(0).sum() for z in (x, y))
    pairs = len(x) * (len(x) - 1)
    distance: Tensor = within / pairs - 2 * _kernel(x, y).mean()
    return distance


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return (x y / d + 1)^3: (n, d), (m, d) -> (n, m)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


@METRICS.register_module()
class KIDMetric(BankedMetric):
    """KID of features to those of cached statistics.

    The result is `mean`, `std` and `standard_error` over subsets; see
    `kernel_distance`. The defaults are torch-fidelity's.

    Args:
        reference: See `BankedMetric`.
        subsets: How many subsets are drawn.
        subset_size: Images in a subset, of either set.
        seed: Of the draw.
        number: See `BankedMetric`.
        extractor: See `FeatureMetric`.
    """

    results = ('mean', 'std', 'standard_error')

    def __init__(
        self,
        *,
        reference: str | None = None,
        subsets: int = 100,
        subset_size: int = 1000,
        seed: int = SEED,
        number: int | None = None,
        extractor: Mapping[str, Any] | None = None,
    ) -> None:
        if subsets < 1 or subset_size < 2:
            raise ValueError(
                'KID needs a subset of two images at least, got '
                f'subsets={subsets}, subset_size={subset_size}'
            )
        super().__init__(
            reference=reference,
            least=subset_size,
            argument=f'subset_size={subset_size}',
            number=number,
            extractor=extractor,
        )
        self._options = dict(subsets=subsets, subset_size=subset_size, seed=seed)

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, and how subsets are drawn."""
        return dict(super().protocol(), **self._options)

    def _measure(self, features: Tensor, reference: Tensor) -> dict[str, float]:
        return kernel_distance(features, reference, **self._options)
