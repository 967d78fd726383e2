"""The sampler: token after token, with a cache, guided in one batch."""

from typing import Any

import torch
from torch import Tensor

from vq.models.transformers.guidance import Sampling
from vq.models.transformers.network import TokenTransformer, unconditional
from vq.models.transformers.steps import Steps, both, first

UNKNOWN = -1  # stands in `known` where a token is to be drawn


@torch.no_grad()
def sample(
    network: TokenTransformer,
    condition: Tensor,
    *,
    uniform: Tensor,
    sampling: Sampling,
    known: Tensor | None = None,
    steps: Steps | None = None,
) -> Tensor:
    """Draw the tokens of a batch of images.

    Under guidance the batch is twice as large, the conditional half first; one draw
    serves both halves. From where no token is guided any more the second is dropped.

    Args:
        network: In evaluation mode.
        condition: Embedded categories, (b, dim).
        uniform: Random numbers in [0, 1), one a sub-token, float64, (b, n, g).
        sampling: Guidance, temperature, filters.
        known: Tokens that are kept, and -1 where one is to be drawn, (b, n, g). What
            all images know from the start on is taken in one pass.
        steps: Takes the steps, such as `CompiledSteps`; plain ones if None.

    Returns:
        int64, (b, n, g).
    """
    length, batch = network.length, len(condition)
    scales = sampling.scales(length)
    guided_tokens = max((i + 1 for i, s in enumerate(scales) if s != 1), default=0)
    rows = torch.full_like(uniform, UNKNOWN, dtype=torch.long)
    rows = rows if known is None else known.clone()
    start = int((rows >= 0).all(-1).all(0).long().cumprod(0).sum())
    if start == length:
        return rows
    if guided_tokens > start:
        condition = torch.cat([condition, unconditional(network, batch)])
    scale = torch.tensor(scales, device=condition.device)
    steps = steps or Steps(network)
    cache = steps.cache(len(condition), _dtype(condition))
    cache.advance(0, start + 1)
    for i in range(start, length):
        options: dict[str, Any] = dict(
            scale=scale[i],
            uniform=uniform[:, i],
            known=None if known is None else known[:, i],
            sampling=sampling,
        )
        if i == start:
            prefix = network.subtokens(both(rows[:, :start], len(condition))).sum(2)
            hidden = torch.cat([condition[:, None], prefix], dim=1)
            rows[:, i] = first(network, hidden, cache, **options)
        else:
            if i == guided_tokens:
                cache = cache.first(batch)
            rows[:, i] = steps.following(rows[:, i - 1 : i], cache, **options)
        cache.advance(i + 1, 1)
    return rows


def _dtype(condition: Tensor) -> torch.dtype:
    """Return the precision of keys and values."""
    device = condition.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return condition.dtype
