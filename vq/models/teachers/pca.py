"""Principal components of patches: the simplest teacher, fitted in a second."""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vq.models.teachers.base import Precision, Teacher
from vq.registry import MODELS

SMALLEST = 1e-6  # variance, on pixels of 0 to 1, that is still scaled to one


class _Components(nn.Module):
    """A linear map: `components (dim, 3 * patch * patch)` of what exceeds `mean`."""

    mean: Tensor
    components: Tensor

    def __init__(self, *, patch: int, dim: int) -> None:
        super().__init__()
        length = 3 * patch**2
        self.register_buffer('mean', torch.full((length,), 0.5))
        self.register_buffer('components', torch.randn(dim, length))

    def forward(self, patches: Tensor) -> Tensor:
        return (patches - self.mean) @ self.components.T


@MODELS.register_module()
class PCATeacher(Teacher):
    """Whitened principal components of each patch's pixels; for demos.

    Args:
        weights: A file of what `fit_pca` returns, such as safetensors writes.
        patch: Pixels a side of a patch.
        dim: How many components.
        size: See `Teacher`.
        grid: See `Teacher`.
        precision: See `Teacher`.

    Raises:
        ValueError: A patch has fewer pixels than `dim`.
    """

    def __init__(
        self,
        *,
        weights: str,
        patch: int = 16,
        dim: int = 32,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights, size=size, grid=grid, precision=precision)
        _check_dim(patch, dim)
        self.network = _Components(patch=patch, dim=dim)
        self.out_dim = dim
        self.downscale = patch
        self.set_pixels((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) of 0 to 1 to components (b, dim, h, w)."""
        features: Tensor = self.network(_patches(pixels, self.downscale))
        return rearrange(features, 'b h w c -> b c h w')


def fit_pca(images: Tensor, *, patch: int, dim: int) -> dict[str, Tensor]:
    """Return the mean and the largest components of patches, scaled to variance one.

    Args:
        images: uint8, (n, 3, H, W).
        patch: Pixels a side of a patch.
        dim: How many components.

    Returns:
        `mean` (3 * patch * patch,) and `components (dim, 3 * patch * patch)`, float32:
        the weights of `PCATeacher`.

    Raises:
        ValueError: A patch has fewer pixels than `dim`.
    """
    _check_dim(patch, dim)
    rows = rearrange(_patches(images.double() / 255, patch), 'n h w c -> (n h w) c')
    mean = reduce(rows, 'n c -> c', 'mean')
    centred = rows - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(rows))
    largest = rearrange(directions[:, -dim:].flip(1), 'c d -> d c')
    scale = variances[-dim:].flip(0).clamp(min=SMALLEST).rsqrt()
    # A direction has no sign; that of its largest entry makes the result unique.
    index = largest.abs().argmax(dim=1, keepdim=True)
    components = largest * largest.gather(1, index).sign() * scale[:, None]
    return {'mean': mean.float(), 'components': components.float().contiguous()}


def _patches(images: Tensor, patch: int) -> Tensor:
    return rearrange(images, 'b c (h p) (w q) -> b h w (c p q)', p=patch, q=patch)


def _check_dim(patch: int, dim: int) -> None:
    if not 0 < dim <= 3 * patch**2:
        raise ValueError(
            f'dim must be 1 to {3 * patch**2}, the values of a patch, got {dim}'
        )
