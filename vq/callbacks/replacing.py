"""Other codes for dead ones: latents of all ranks, and an optimizer that forgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed
from vq.callbacks.codebook_leaf import Leaf
from vq.callbacks.codebook_watch import Window
from vq.models.quantizers import VectorQuantizer
from vq.models.quantizers.kmeans import Start, kmeans
from vq.models.quantizers.revival import dead_codes, random_rows

if TYPE_CHECKING:
    from vq.runners.trainer import Trainer

ROWS = 64  # latents a code that k-means looks at, at most
LEAVES = 2**16  # more than any model has: keeps the seeds of leaves apart


def check_replaceable(leaf: Leaf, *, way_out: str) -> None:
    """Raise a ValueError, ending with `way_out`, unless codes can be replaced."""
    problem = None
    if not isinstance(leaf.quantizer, VectorQuantizer):
        problem = 'has no learnt table of codes'
    elif not leaf.quantizer.learning:
        problem = 'is frozen'
    if problem is not None:
        raise ValueError(f'{leaf} {problem}: no code of it can be replaced; {way_out}')


def table(leaf: Leaf) -> VectorQuantizer:
    """Return the quantizer of a leaf that `check_replaceable` has let pass."""
    assert isinstance(leaf.quantizer, VectorQuantizer)
    return leaf.quantizer


def rows_of_all_ranks(rows: Tensor, chosen: Tensor) -> Tensor:
    """Return some of the rows of all ranks, one rank's behind the other's, (m, d).

    Args:
        rows: This rank's, (n, d).
        chosen: Which of all ranks' rows; the same on every rank, (m,).
    """
    lengths = distributed.gather(len(rows))
    own = chosen.to(rows.device) - sum(lengths[: distributed.rank()])
    here = (own >= 0) & (own < len(rows))
    picked = rows.new_zeros(len(chosen), rows.shape[1])
    picked[here] = rows[own[here]]
    return distributed.sum_(picked)


def some_rows(rows: Tensor, number: int, *, seed: int) -> Tensor:
    """Return `number` rows of all ranks, drawn without replacement, or all, (m, d)."""
    length = sum(distributed.gather(len(rows)))
    return rows_of_all_ranks(rows, random_rows(length, number, seed=seed))


def seed_of(iteration: int, leaf: int) -> int:
    """Return the seed of what is drawn for the leaf of this number."""
    return iteration * LEAVES + leaf


def revive(
    runner: Trainer, leaf: Leaf, window: Window, *, limit: float, number: int, seed: int
) -> int:
    """Put random latents of this iteration in the place of dead codes.

    Args:
        runner: Of the run.
        leaf: Whose codes; it has held the latents.
        window: With the ages of the codes.
        limit: The least age of a dead code, in images.
        number: Replace at most so many.
        seed: Of the draw.

    Returns:
        How many were replaced.
    """
    dead = dead_codes(window.ages, limit=limit, number=number)
    latents = some_rows(leaf.held(runner.accumulate)[0], len(dead), seed=seed)
    return replace(runner, leaf, dead[: len(latents)], latents)


def reseed(runner: Trainer, leaf: Leaf, window: Window, *, seed: int) -> int:
    """Put the centres of this iteration's latents in the place of all codes.

    Fewer latents than codes replace those codes that were used least. Arguments and
    result are those of `revive`.
    """
    size = leaf.quantizer.codebook_size
    latents = some_rows(leaf.held(runner.accumulate)[0], ROWS * size, seed=seed)
    rarest = window.counts[:-1].argsort(stable=True)
    return cluster(runner, leaf, rarest, latents, rounds=10, seed=seed)


def cluster(
    runner: Trainer,
    leaf: Leaf,
    order: Tensor,
    rows: Tensor,
    *,
    rounds: int,
    seed: int,
    start: Start = 'random',
) -> int:
    """Put the centres of `rows` (n, d) in the place of codes, in the given order."""
    quantizer = table(leaf)
    if not len(rows):
        return 0
    # By inner products long centres would draw everything to them.
    distance = 'l2' if quantizer.distance == 'inner' else quantizer.distance
    number = min(len(order), len(rows))
    centres, _ = kmeans(
        rows, number, distance=distance, rounds=rounds, start=start, seed=seed
    )
    return replace(runner, leaf, order[:number], centres)


@torch.no_grad()
def replace(runner: Trainer, leaf: Leaf, tokens: Tensor, codes: Tensor) -> int:
    """Replace codes, and what optimizers know of them; return how many.

    Args:
        runner: Of the run.
        leaf: Whose codes.
        tokens: Which, (m,).
        codes: By what, (m, d).
    """
    quantizer = table(leaf)
    if not len(tokens):
        return 0
    quantizer.replace_codes(tokens, codes)
    leaf.last_used[0][tokens] = leaf.clock
    codebook = quantizer.codebook
    for update in runner.optimizers.values():
        state = update.optimizer.state.get(codebook, {})
        for moment in _like(codebook, state.values()):
            moment[tokens] = 0
    return len(tokens)


def _like(codebook: Tensor, values: Iterable[object]) -> list[Tensor]:
    """Return the tensors that hold a number for each of the codebook's."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    return [tensor for tensor in tensors if tensor.shape == codebook.shape]
