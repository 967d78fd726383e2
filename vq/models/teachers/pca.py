"""Principal components of patches: the simplest teacher, fitted in a second."""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from vq.models.teachers.base import Precision, Teacher
from vq.registry import MODELS


class _Components(nn.Module):
    """An affine map: `components (dim, 3 * patch * patch)` of what exceeds `mean`."""

    mean: Tensor
    components: Tensor
    offset: Tensor

    def __init__(self, *, patch: int, dim: int) -> None:
        super().__init__()
        length = 3 * patch**2
        self.register_buffer('mean', torch.full((length,), 0.5))
        self.register_buffer('components', torch.randn(dim, length))
        self.register_buffer('offset', torch.zeros(dim))

    def forward(self, patches: Tensor) -> Tensor:
        return (patches - self.mean) @ self.components.T + self.offset


@MODELS.register_module()
class PCATeacher(Teacher):
    """Principal components of each patch's pixels, and a constant; for demos.

    Tokenizers learn the angles of features alone. Beside a constant an angle tells how
    long the components are, too: how far a patch is from the mean grey.

    Args:
        weights: A file of what `fit_pca` returns, such as safetensors writes.
        patch: Pixels a side of a patch.
        dim: Channels of the features: components, and the constant.
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
    """Return the mean and the largest components of patches, and a constant.

    Args:
        images: uint8, (n, 3, H, W).
        patch: Pixels a side of a patch.
        dim: How many components, plus one for the constant: as long as the components
            are on average (root mean square).

    Returns:
        `mean` (3 * patch * patch,), `components (dim, 3 * patch * patch)` and
        `offset (dim,)`, float32: the weights of `PCATeacher`.

    Raises:
        ValueError: A patch has fewer pixels than `dim`.
    """
    _check_dim(patch, dim)
    rows = rearrange(_patches(images.double() / 255, patch), 'n h w c -> (n h w) c')
    mean = reduce(rows, 'n c -> c', 'mean')
    centred = rows - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(rows))
    number = dim - 1
    largest = rearrange(directions[:, -number:].flip(1), 'c d -> d c')
    # A direction has no sign; that of its largest entry makes the result unique.
    index = largest.abs().argmax(dim=1, keepdim=True)
    components = largest * largest.gather(1, index).sign()
    offset = torch.zeros(dim)
    offset[-1] = variances[-number:].sum().sqrt()
    return {
        'mean': mean.float(),
        'components': functional.pad(components.float(), (0, 0, 0, 1)),
        'offset': offset,
    }


def _patches(images: Tensor, patch: int) -> Tensor:
    return rearrange(images, 'b c (h p) (w q) -> b h w (c p q)', p=patch, q=patch)


def _check_dim(patch: int, dim: int) -> None:
    most = 3 * patch**2 + 1
    if not 1 < dim <= most:
        raise ValueError(
            f'dim must be 2 to {most}, the values of a patch and a constant, got {dim}'
        )
