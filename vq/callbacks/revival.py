"""Revival: codes that nobody chooses any more are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from vq import distributed
from vq.callbacks.base import Callback
from vq.callbacks.codebook_watch import CodebookWatch, Window
from vq.callbacks.replacing import (
    check_replaceable,
    replace,
    revive,
    rows_of_all_ranks,
    seed_of,
    table,
)
from vq.models.quantizers.revival import dead_codes, most_used, split, worst_rows
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

Policy = Literal['random', 'worst', 'split']
JITTER = 1e-2  # of a code's length, to either side of it


@CALLBACKS.register_module()
class RevivalCallback(Callback):
    """Replaces the codes that were not chosen for long, every `interval` iterations.

    By what, the policy says:

        'random'  random latents of this iteration, of all ranks (Jukebox,
                  https://arxiv.org/abs/2005.00341)
        'worst'   those of its latents that lie farthest from their codes
        'split'   the codes that were chosen most since the last revival are split in
                  two, a hundredth of their length to either side

    Each code is replaced by another latent. A codebook has one age on all ranks, and
    two ranks revive as one with both batches does. `codebook/revived` tells how many
    were replaced. Adam forgets its moments of those codes.

    Args:
        policy: By what.
        max_age: Passes over the data set after which a code is dead; whatever it is, a
            code lives for a whole interval.
        interval: Iterations from one revival to the next.
        begin: Iterations before the first.
        max_share: Largest share of a codebook that one revival replaces, the oldest
            codes first.

    Raises:
        ValueError: An argument is unknown or out of range.
    """

    def __init__(
        self,
        *,
        policy: Policy = 'random',
        max_age: float = 0.1,
        interval: int = 100,
        begin: int = 0,
        max_share: float = 1.0,
    ) -> None:
        if policy not in get_args(Policy):
            known = ', '.join(repr(name) for name in get_args(Policy))
            raise ValueError(f'policy must be one of {known}, got {policy!r}')
        if interval < 1 or max_age < 0 or not 0 < max_share <= 1:
            raise ValueError(
                'interval must be >= 1, max_age >= 0 and max_share in (0, 1], got '
                f'{interval}, {max_age} and {max_share}'
            )
        self.policy = policy
        self.max_age = max_age
        self.interval = interval
        self.begin = begin
        self.max_share = max_share
        self.watch = CodebookWatch()

    def before_run(self, runner: Runner) -> None:
        """Begin to watch the quantizers.

        Raises:
            ValueError: A quantizer has no codes that could be replaced.
        """
        self.watch.open(
            runner.model,
            batch_size=runner.dataloader['batch_size'],
            device=runner.strategy.device,
        )
        way_out = 'drop RevivalCallback, by train_callbacks = dict(revival=None)'
        if not self.watch.leaves:
            raise ValueError(f'the model has no quantizer: {way_out}')
        for leaf in self.watch.leaves:
            check_replaceable(leaf, way_out=way_out)

    def before_train_iter(self, runner: Trainer, batch: Batch) -> None:
        """Keep the latents of an iteration that ends an interval."""
        ends = (runner.iteration + 1) % self.interval == 0
        self.watch.hold(ends and self.policy != 'split')

    @torch.no_grad()
    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """At the end of an interval, replace the dead codes."""
        if runner.iteration % self.interval == 0:
            windows = self.watch.end_window(runner.iteration)
            if runner.iteration >= self.begin:
                numbers = [self._revive(runner, *w) for w in enumerate(windows)]
                self._log(numbers, logs, runner.strategy.device)
        self.watch.advance()

    def _log(
        self, numbers: list[int], logs: dict[str, Tensor], device: torch.device
    ) -> None:
        figures = {'codebook/revived': sum(numbers)}
        if len(numbers) > 1:
            figures |= {f'codebook_{i}/revived': n for i, n in enumerate(numbers)}
        for key, number in figures.items():
            logs[key] = torch.tensor(float(number), device=device)

    def _revive(self, runner: Trainer, index: int, window: Window) -> int:
        """Replace the dead codes of one codebook; return how many."""
        leaf = window.leaf
        quantizer = table(leaf)
        if not window.counts.any():  # it took no part
            return 0
        interval = self.interval * runner.dataloader['batch_size']
        limit = max(self.max_age * len(runner.dataset), interval)
        number = int(self.max_share * quantizer.codebook_size)
        seed = seed_of(runner.iteration, index)
        if self.policy == 'random':
            return revive(runner, leaf, window, limit=limit, number=number, seed=seed)
        dead = dead_codes(window.ages, limit=limit, number=number)
        if self.policy == 'worst':
            rows, errors = leaf.held(runner.accumulate)
            worst = worst_rows(distributed.cat(errors), len(dead))
            latents = rows_of_all_ranks(rows, worst)
            return replace(runner, leaf, dead[: len(latents)], latents)
        parents = most_used(window.counts[:-1], len(dead))
        dead = dead[: len(parents)]
        codes = split(quantizer.codes()[parents], share=JITTER, seed=seed)
        # The parents, too, are replaced: what a family knows of them is of two codes.
        replace(runner, leaf, torch.cat([dead, parents]), torch.cat(codes))
        return len(dead)

    def after_run(self, runner: Runner) -> None:
        """Leave the quantizers alone."""
        self.watch.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the ages of this rank's codes, and its counts."""
        return self.watch.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.watch.load_state_dict(state)
