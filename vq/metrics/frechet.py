"""The Fréchet distance of two Gaussians, in float64 and without a complex number.

d^2 = |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))  (arxiv.org/abs/1706.08500)

The last trace is the sum of the singular values of F1^T F2 for any factors C = F F^T.
Where both covariances have full rank, roots of eigenvalues are exact enough; where one
has not (fewer images than features), the root would turn rounding errors of 1e-16 into
1e-8 each, so singular values are taken instead, of factors of the true rank.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps


@dataclass(slots=True)
class Gaussian:
    """Mean and covariance of features.

    Attributes:
        mean: float64, (d,).
        covariance: With the divisor n - 1, float64, (d, d).
        count: Number n of images; 0 where it is not known.
    """

    mean: Tensor
    covariance: Tensor
    count: int

    def check(self) -> None:
        """Refuse what no distance can be told of.

        Raises:
            ValueError: A number is not finite.
        """
        if not (self.mean.isfinite().all() and self.covariance.isfinite().all()):
            raise ValueError(
                f'the statistics of {self.count} images hold NaN or infinity; '
                'two images at least are needed, and finite features'
            )


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """Return the squared Fréchet distance, FID where the features are Inception's.

    Raises:
        ValueError: The features differ in length, or are not finite.
    """
    one.check()
    other.check()
    if one.mean.shape != other.mean.shape:
        raise ValueError(
            f'features of {len(one.mean)} and of {len(other.mean)} numbers cannot be '
            'compared; take statistics of one extractor'
        )
    means = (one.mean - other.mean).square().sum()
    traces = one.covariance.trace() + other.covariance.trace()
    root = _trace_of_root(one, other)
    # Rounding may leave a set a little below zero from itself.
    return max(0.0, float(means + traces - 2 * root))


def _trace_of_root(one: Gaussian, other: Gaussian) -> Tensor:
    """Return tr((C1 C2)^(1/2))."""
    factors = [_cholesky(gaussian) for gaussian in (one, other)]
    if factors[0] is not None and factors[1] is not None:
        product = factors[0].T @ other.covariance @ factors[0]
        eigenvalues = torch.linalg.eigvalsh(product)
        if eigenvalues[0] > len(eigenvalues) * EPS * eigenvalues[-1]:
            root: Tensor = eigenvalues.sqrt().sum()
            return root
    full = [
        _low_rank(gaussian) if factor is None else factor
        for gaussian, factor in zip((one, other), factors, strict=True)
    ]
    singular: Tensor = torch.linalg.svdvals(full[0].T @ full[1])
    return singular.sum()


def _cholesky(gaussian: Gaussian) -> Tensor | None:
    """Return L of C = L L^T, (d, d); None where C has not full rank."""
    covariance, dim = gaussian.covariance, len(gaussian.mean)
    if 0 < gaussian.count <= dim:
        return None
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    # The square of a pivot is what the features before leave unexplained of a variance.
    unexplained = factor.diagonal().square() / covariance.diagonal()
    return None if failed or unexplained.min() <= dim * EPS else factor


def _low_rank(gaussian: Gaussian) -> Tensor:
    """Return F of C = F F^T, (d, r), r the rank."""
    eigenvalues, vectors = torch.linalg.eigh(gaussian.covariance)
    dim = len(eigenvalues)
    rank = min(gaussian.count - 1, dim) if gaussian.count else dim
    kept = eigenvalues > dim * EPS * eigenvalues[-1]
    kept[: dim - rank] = False  # ascending; n images span n - 1 dimensions
    factor: Tensor = vectors[:, kept] * eigenvalues[kept].sqrt()
    return factor
