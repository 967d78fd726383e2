"""How the gradient of a code passes to the latent that it replaces."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import full_precision

Estimator = Literal['straight_through', 'rotation']
ANTIPODAL = 1e-3  # of |u + v|, unit vectors: below it a rotation has no direction


def straight_through(latent: Tensor, quantized: Tensor) -> Tensor:
    """Return `quantized` with its gradient passed to `latent`; any equal shapes.

    Written as q + (z - z), not as z + (q - z): the value is exactly the code, so that
    decoding tokens gives the very same image.
    """
    return quantized.detach() + (latent - latent.detach())


def rotate(rows: Tensor, codes: Tensor) -> Tensor:
    """Return `codes`, their gradient passed by the rotation trick; both (n, d).

    The map from a latent z to its code q is taken for a rotation and a scaling, which
    are constants of the backward pass (https://arxiv.org/abs/2410.06424, eq. 4): the
    angle between gradient and code becomes that between gradient and latent. Where
    there is no such rotation, for z or q of length zero and for q opposite to z, the
    gradient passes straight through. The value is exactly the code.
    """
    latents, codes = rows.detach(), codes.detach()
    latent_norm = latents.norm(dim=-1, keepdim=True)
    code_norm = codes.norm(dim=-1, keepdim=True)
    latent_unit = functional.normalize(latents, dim=-1)
    code_unit = functional.normalize(codes, dim=-1)
    middle = latent_unit + code_unit
    length = middle.norm(dim=-1, keepdim=True)
    possible = (length > ANTIPODAL) & (latent_norm > 0) & (code_norm > 0)
    middle = middle / length.clamp(min=ANTIPODAL)
    scale = code_norm / latent_norm.clamp(min=torch.finfo(rows.dtype).tiny)
    with full_precision(rows):
        # R z = z - 2 w (w . z) + 2 q (u . z), without a matrix.
        turned = (
            rows
            - 2 * middle * (middle * rows).sum(-1, keepdim=True)
            + 2 * code_unit * (latent_unit * rows).sum(-1, keepdim=True)
        )
        passed = torch.where(possible, scale * turned, rows)
    return codes + (passed - passed.detach())


ESTIMATORS: Mapping[Estimator, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    dict(straight_through=straight_through, rotation=rotate)
)
