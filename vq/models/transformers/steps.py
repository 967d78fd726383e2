"""One step of the sampler: from what was drawn last to the next token."""

from collections.abc import Callable
from typing import Any

import torch
from einops import repeat
from torch import Tensor

from vq.models.transformers.cache import Cache
from vq.models.transformers.guidance import Sampling, draw, guided
from vq.models.transformers.heads import none_before
from vq.models.transformers.network import TokenTransformer

GRAPHS = 256  # of a process at most: one for each setting and size of a batch


class Steps:
    """Takes the steps of a sampler, and has the caches that they need.

    Args:
        network: In evaluation mode.
        static: Whether caches have one shape for all steps, see `Cache`.
    """

    def __init__(self, network: TokenTransformer, *, static: bool = False) -> None:
        self.network = network
        self.static = static

    def cache(self, batch: int, dtype: torch.dtype) -> Cache:
        """Return a cache for `batch` sequences, of which nothing is known."""
        return self.network.body.cache(batch, dtype=dtype, static=self.static)

    def following(self, previous: Tensor, cache: Cache, **options: Any) -> Tensor:
        """Draw the next token; see the function `following`."""
        return following(self.network, previous, cache, **options)


class CompiledSteps(Steps):
    """Steps that torch.compile translates, on a GPU into a recorded graph.

    The first batch of a size takes long. A graph has its memory at a fixed place, hence
    caches are used again, and two batches cannot be drawn at the same time. Other sizes
    and other settings of a sampler are code of their own.

    Args:
        network: In evaluation mode.
        backend: Of torch.compile.
    """

    def __init__(self, network: TokenTransformer, *, backend: str = 'inductor') -> None:
        super().__init__(network, static=True)
        graphs = backend == 'inductor' and network.starts.is_cuda
        # A sweep needs more than torch allows one function, where it would end.
        limits = torch._dynamo.config
        limits.recompile_limit = max(limits.recompile_limit, GRAPHS)
        self._caches: dict[tuple[int, torch.dtype], Cache] = {}
        self._following: Callable[..., Tensor] = torch.compile(
            following,
            backend=backend,
            dynamic=False,
            fullgraph=True,
            mode='reduce-overhead' if graphs else None,
        )

    def cache(self, batch: int, dtype: torch.dtype) -> Cache:
        """Return a cache; what it holds of an earlier batch is never looked at."""
        if (batch, dtype) not in self._caches:
            self._caches[batch, dtype] = super().cache(batch, dtype)
        return self._caches[batch, dtype]

    def following(self, previous: Tensor, cache: Cache, **options: Any) -> Tensor:
        """Draw the next token by compiled code."""
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        for tensor in (cache.keys, cache.values, cache.positions):
            torch._dynamo.mark_static_address(tensor)  # written in place, not copied
        return self._following(self.network, previous, cache, **options)


def following(
    network: TokenTransformer, previous: Tensor, cache: Cache, **options: Any
) -> Tensor:
    """Draw the token after `previous`, (b, 1, g), which is not in the cache yet.

    Args:
        network: In evaluation mode.
        previous: The token before of each image.
        cache: Of the images, or of both their halves under guidance.
        options: As of `first`.

    Returns:
        (b, g).
    """
    previous = both(previous, cache.batch)
    return first(network, network.subtokens(previous).sum(2), cache, **options)


def first(
    network: TokenTransformer,
    hidden: Tensor,
    cache: Cache,
    *,
    scale: Tensor,
    uniform: Tensor,
    known: Tensor | None,
    sampling: Sampling,
) -> Tensor:
    """Draw one token of each image, sub-token after sub-token.

    Args:
        network: In evaluation mode.
        hidden: Embedded positions that are not in the cache yet, (b, n, dim), or
            (2 b, n, dim) under guidance.
        cache: Of these sequences.
        scale: Of the guidance, a number.
        uniform: One random number a sub-token, float64, (b, g).
        known: Sub-tokens that are not drawn, -1 elsewhere, (b, g); None if all are.
        sampling: Temperature and filters.

    Returns:
        (b, g).
    """
    features = network.body(hidden, cache)[:, -1]
    before = none_before(features)
    chosen = torch.empty_like(uniform, dtype=torch.long)
    for j in range(uniform.shape[1]):
        logits = network.logits(features, before)[j]
        if len(logits) > len(uniform):
            logits = guided(logits, scale)
        drawn = draw(logits, uniform[:, j], sampling)
        if known is not None:
            drawn = torch.where(known[:, j] < 0, drawn, known[:, j])
        chosen[:, j] = drawn
        if j + 1 < uniform.shape[1]:
            before = network.subtokens(both(chosen[:, : j + 1], len(features)))
    return chosen


def both(rows: Tensor, batch: int) -> Tensor:
    """Repeat tokens (b, ...) for both halves of a guided batch, if there are two."""
    return repeat(rows, 'b ... -> (two b) ...', two=batch // len(rows))
