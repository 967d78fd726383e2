"""K-means before training: a codebook that begins where the latents are."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vq.callbacks.base import Callback
from vq.callbacks.codebook_leaf import Leaf, leaves
from vq.callbacks.replacing import ROWS, check_replaceable, cluster, some_rows, table
from vq.callbacks.untouched import untouched
from vq.datasets.loader import train_loader
from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers import Quantizer
from vq.models.quantizers.base import to_rows
from vq.models.quantizers.kmeans import STARTS, Start
from vq.models.quantizers.vector import check_choice
from vq.registry import CALLBACKS

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)


@CALLBACKS.register_module()
class KMeansCallback(Callback):
    """Makes the centres of the first batches' latents the codebook, before training.

    The latents are those of the untrained encoder, in evaluation mode, of all ranks; at
    most 64 a code. Of a quantizer that holds others, each is begun after those before
    it, with what then comes to it. The batches come again in training, and no random
    state is changed. A run that is resumed has begun already.

    Args:
        batches: Of the training data.
        rounds: Of k-means.
        start: Its first centres: 'random' latents, or 'kmeans++'.
        seed: Of that draw.

    Raises:
        ValueError: A number is out of range, or the start unknown.
    """

    def __init__(
        self,
        *,
        batches: int = 8,
        rounds: int = 10,
        start: Start = 'random',
        seed: int = 0,
    ) -> None:
        if batches < 1 or rounds < 1:
            raise ValueError(
                f'batches and rounds must be >= 1, got {batches} and {rounds}'
            )
        check_choice('start', start, STARTS)
        self.batches = batches
        self.rounds = rounds
        self.start: Start = start
        self.seed = seed

    def before_run(self, runner: Runner) -> None:
        """Look at the batches, and begin the codebooks.

        Raises:
            ValueError: A quantizer has no codes that could be replaced, or no image of
                a batch can be read.
        """
        if runner.iteration > 0:
            return
        clock = torch.zeros((), dtype=torch.int64, device=runner.strategy.device)
        found = [Leaf(name, q, clock) for name, q in leaves(runner.model).items()]
        way_out = 'drop KMeansCallback, by train_callbacks = dict(kmeans=None)'
        if not found:
            raise ValueError(f'the model has no quantizer: {way_out}')
        for leaf in found:
            check_replaceable(leaf, way_out=way_out)
        with untouched(runner), torch.no_grad(), runner.strategy.autocast():
            latents = self._latents(runner)
            for leaf in found:
                self._begin(runner, leaf, latents)  # type: ignore[arg-type]

    def _latents(self, runner: Runner) -> list[Tensor]:
        """Return what comes to the quantizer, (b, in_dim, h, w) for each batch."""
        loader = train_loader(runner.dataset, **runner.dataloader, seed=runner.job.seed)
        encode = runner.model.tokenizer.encode  # type: ignore[union-attr]
        latents = []
        for batch in itertools.islice(loader, self.batches):
            if not len(batch):
                raise ValueError(
                    "no image of a batch could be read; use on_error='replace' in the "
                    f'data set: {batch.unreadable}'
                )
            latents.append(encode(batch.to(runner.strategy.device).image))  # type: ignore[operator]
        return latents

    def _begin(self, runner: Trainer, leaf: Leaf, latents: list[Tensor]) -> None:
        """Make the centres of what comes to a leaf its codes."""
        root: Quantizer = runner.model.tokenizer.quantizer  # type: ignore[union-attr, assignment]
        parts: list[Tensor] = []
        quantizer = table(leaf)

        def look(module: nn.Module, inputs: tuple[Tensor]) -> None:
            with full_precision(inputs[0]):
                rows = to_rows(quantizer.project(at_least_float32(inputs[0])))
            parts.append(rows[rows.isfinite().all(-1)])

        handle = quantizer.register_forward_pre_hook(look)
        # Compiled code would keep this hook for ever.
        with torch.compiler.set_stance('force_eager'):
            for latent in latents:
                root(latent)
        handle.remove()
        size = quantizer.codebook_size
        # Pass by pass: with the ranks of each behind one another, as one rank sees it.
        number = -(-ROWS * size // len(parts))
        drawn = [some_rows(p, number, seed=self.seed + i) for i, p in enumerate(parts)]
        rows = torch.cat(drawn)
        if len(rows) < size:
            _logger.warning(
                '%d latents of %d batches are too few for the %d codes of %s: the '
                'rest of the codebook stays as it is',
                *(len(rows), self.batches, size, leaf),
            )
        order = torch.arange(size, device=rows.device)
        cluster(
            *(runner, leaf, order, rows),
            rounds=self.rounds,
            seed=self.seed,
            start=self.start,
        )
        if quantizer.init == 'kmeans':
            quantizer.initialized.fill_(True)
        _logger.info('%s: %d codes out of %d latents', leaf, size, len(rows))
