"""The sampler: token after token, with a static cache, guided in one batch."""

from collections.abc import Callable

import torch
from einops import repeat
from torch import Tensor

from vq.models.transformers.cache import Cache
from vq.models.transformers.guidance import Sampling, draw, guided
from vq.models.transformers.heads import none_before
from vq.models.transformers.network import TokenTransformer, unconditional

Step = Callable[[Tensor, Cache], Tensor]  # positions (b, n, dim) to the last's features
UNKNOWN = -1  # stands in `known` where a token is to be drawn


@torch.no_grad()
def sample(
    network: TokenTransformer,
    condition: Tensor,
    *,
    uniform: Tensor,
    sampling: Sampling,
    known: Tensor | None = None,
    step: Step | None = None,
    static: bool = False,
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
        step: What computes the features of the last position; compiled code goes here.
        static: Whether the cache has one shape for all steps, see `Cache`.

    Returns:
        int64, (b, n, g).
    """
    length, batch = network.length, len(condition)
    scales = sampling.scales(length)
    guided_tokens = max((i + 1 for i, s in enumerate(scales) if s != 1), default=0)
    rows = _rows(uniform, known)
    start = int((rows >= 0).all(-1).all(0).long().cumprod(0).sum())
    if start == length:
        return rows
    if guided_tokens > start:
        condition = torch.cat([condition, unconditional(network, batch)])
    prefix = network.subtokens(_as_many(rows[:, :start], condition)).sum(2)
    positions = torch.cat([condition[:, None], prefix], dim=1)
    cache = network.body.cache(len(condition), dtype=_dtype(condition), static=static)
    cache.advance(0, start + 1)
    for i in range(start, length):
        if i == guided_tokens and len(positions) > batch:
            positions, cache = positions[:batch], cache.first(batch)
        features = (step or _step(network))(positions, cache)
        rows[:, i] = _token(
            network, features, scales[i], uniform[:, i], rows[:, i], sampling
        )
        positions = network.subtokens(_as_many(rows[:, i : i + 1], features)).sum(2)
        cache.advance(i + 1, 1)
    return rows


def _step(network: TokenTransformer) -> Step:
    """Return what maps positions to the features of the last."""
    return lambda positions, cache: network.body(positions, cache)[:, -1]


def _rows(uniform: Tensor, known: Tensor | None) -> Tensor:
    """Return what is known at the beginning, (b, n, g)."""
    if known is not None:
        return known.clone()
    return torch.full_like(uniform, UNKNOWN, dtype=torch.long)


def _dtype(condition: Tensor) -> torch.dtype:
    """Return the precision of keys and values."""
    device = condition.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return condition.dtype


def _as_many(rows: Tensor, like: Tensor) -> Tensor:
    """Repeat tokens (b, n, g) for both halves of a guided batch, if there are two."""
    return repeat(rows, 'b n g -> (two b) n g', two=len(like) // len(rows))


def _token(
    network: TokenTransformer,
    features: Tensor,
    scale: float,
    uniform: Tensor,
    known: Tensor,
    sampling: Sampling,
) -> Tensor:
    """Draw one token of each image, sub-token after sub-token.

    Args:
        network: Whose head it is.
        features: (b, dim), or (2 b, dim) under guidance.
        scale: Of the guidance.
        uniform: (b, g).
        known: Sub-tokens that are not drawn, -1 elsewhere, (b, g).
        sampling: Temperature and filters.

    Returns:
        (b, g).
    """
    chosen = known.clone()
    embedded = none_before(features)
    for j in range(chosen.shape[1]):
        logits = network.head(features, embedded)[j]
        if len(features) > len(chosen):
            logits = guided(logits, scale)
        drawn = draw(logits, uniform[:, j], sampling)
        chosen[:, j] = torch.where(known[:, j] < 0, drawn, known[:, j])
        before = _as_many(chosen[:, None, : j + 1], features)
        embedded = network.subtokens(before)[:, 0]
    return chosen
