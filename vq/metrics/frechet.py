"""The Fréchet distance of two Gaussians, in float64 and without a complex number.

d^2 = |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))  (arxiv.org/abs/1706.08500)

The last trace is the sum of the roots of the eigenvalues of F^T C2 F, for any factor of
C1 = F F^T. The factor is that of the set of lower rank, fewer images than features or
not, and has as many columns as that rank, so that there is no eigenvalue 0 whose root
would turn a rounding error of 1e-16 into 1e-8. Where some are as small all the same,
singular values of both factors' product are taken instead.
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
    low, high = sorted((one, other), key=_rank)
    factor = _factor(low)
    eigenvalues: Tensor = torch.linalg.eigvalsh(factor.T @ high.covariance @ factor)
    dim = len(one.mean)
    if len(eigenvalues) and eigenvalues[0] <= dim * EPS * eigenvalues[-1]:
        singular: Tensor = torch.linalg.svdvals(factor.T @ _factor(high))
        return singular.sum()
    return eigenvalues.sqrt().sum()


def _rank(gaussian: Gaussian) -> int:
    """Return the most that the rank can be: n images span n - 1 dimensions."""
    dim = len(gaussian.mean)
    return min(gaussian.count - 1, dim) if gaussian.count else dim


def _factor(gaussian: Gaussian) -> Tensor:
    """Return F of C = F F^T, (d, r), r the rank."""
    factor = _cholesky(gaussian)
    return _low_rank(gaussian) if factor is None else factor


def _cholesky(gaussian: Gaussian) -> Tensor | None:
    """Return L of C = L L^T, (d, d); None where C has not full rank."""
    covariance, dim = gaussian.covariance, len(gaussian.mean)
    if _rank(gaussian) < dim:
        return None
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    # The square of a pivot is what the features before leave unexplained of a variance.
    unexplained = factor.diagonal().square() / covariance.diagonal()
    return None if failed or unexplained.min() <= dim * EPS else factor


def _low_rank(gaussian: Gaussian) -> Tensor:
    """Return F of C = F F^T by eigenvectors, (d, r), r the rank."""
    eigenvalues, vectors = torch.linalg.eigh(gaussian.covariance)
    dim = len(eigenvalues)
    kept = eigenvalues > dim * EPS * eigenvalues[-1]
    kept[: dim - _rank(gaussian)] = False  # ascending
    factor: Tensor = vectors[:, kept] * eigenvalues[kept].sqrt()
    return factor
