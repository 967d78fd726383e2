"""Nearest-neighbour search in a codebook, exact and within a memory budget."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from vq.models.layers import at_least_float32, full_precision

Distance = Literal['l2', 'cosine', 'inner']
DISTANCES = ('l2', 'cosine', 'inner')
BUDGET_BYTES = 256 * 2**20  # of the distance matrix


@torch.no_grad()
def nearest_code(
    latent_rows: Tensor,
    codebook: Tensor,
    *,
    distance: Distance = 'l2',
    budget_bytes: int = BUDGET_BYTES,
) -> Tensor:
    """Return each latent's nearest code, in float32 even under autocast.

    Args:
        latent_rows: (n, d).
        codebook: (k, d).
        distance: 'l2', 'cosine' for the smallest angle, 'inner' for the largest inner
            product.
        budget_bytes: How large the (rows, k) matrix of scores may be; more rows are
            searched in chunks, with the same result.

    Returns:
        Tokens, int64, (n,).

    Raises:
        ValueError: Latents and codes differ in their number of channels.
    """
    channels, dim = latent_rows.shape[-1], codebook.shape[-1]
    if channels != dim:  # one channel would be stretched to all
        raise ValueError(f'the latent has {channels} channels, the codes have {dim}')
    with full_precision(latent_rows):
        rows, codes = at_least_float32(latent_rows), at_least_float32(codebook)
        if distance == 'cosine':
            # A row's own length does not change which code is nearest to it.
            codes = functional.normalize(codes, dim=-1)
            offset = codes.new_zeros(len(codes))
        elif distance == 'l2':
            # |x - e|^2 without |x|^2, which is the same for all codes. Around the
            # codes' centre: far from it the small differences would be rounded off.
            centre = codes.mean(0)
            rows, codes = rows - centre, codes - centre
            offset = codes.square().sum(-1) / 2
        elif distance == 'inner':
            offset = codes.new_zeros(len(codes))
        else:
            raise ValueError(f'distance must be one of {DISTANCES}, got {distance!r}')
        chunk = max(1, budget_bytes // (len(codes) * rows.element_size()))
        tokens = [
            torch.addmm(offset, part, codes.T, alpha=-1).argmin(-1)
            for part in torch.split(rows, chunk)
        ]
    return torch.cat(tokens)
