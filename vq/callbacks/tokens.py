"""Tokens of a whole data set, written to a token store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed
from vq.callbacks.base import Callback
from vq.checkpoints import state_hash
from vq.datasets.base import Unreadable
from vq.datasets.token_store import TokenMeta
from vq.datasets.tokens import TokenWriter
from vq.images import normalize
from vq.registry import CALLBACKS
from vq.types import Batch, Output, Quantized, Sample

if TYPE_CHECKING:
    from vq.runners.base import Runner

_logger = logging.getLogger(__name__)


@CALLBACKS.register_module()
class TokenCallback(Callback):
    """Writes the tokens of all images to `tokens/` in the work dir.

    Args:
        block_size: Images a shard; a shard is written at once, by one rank.
    """

    def __init__(self, *, block_size: int = 1024) -> None:
        self.block_size = block_size
        self._writer: TokenWriter | None = None
        self._done: set[int] = set()

    def before_run(self, runner: Runner) -> None:
        """Open the store, after one image has told the size of the grid.

        Raises:
            ValueError: The folder holds tokens of another tokenizer or data set.
        """
        tokenizer = runner.model.tokenizer
        crops, grid = _shape(runner)
        meta = TokenMeta(
            token_sizes=tokenizer.quantizer.token_sizes,  # type: ignore[union-attr, arg-type]
            grid=grid,
            crops=crops,
            block_size=self.block_size,
            number=len(runner.dataset),
            dataset=runner.dataset.description,
            transforms=[dict(t) for t in runner.dataset.transform_configs],
            tokenizer=state_hash(tokenizer.state_dict()),  # type: ignore[union-attr]
        )
        self._writer = TokenWriter(runner.work_dir / 'tokens', meta=meta)
        self._done = self._writer.done()
        if self._done:
            _logger.info(
                '%d of %d shards are there already', len(self._done), meta.blocks
            )

    def done(self) -> set[int]:
        """Return the blocks that were written before this run."""
        return self._done

    def after_val_iter(
        self, runner: Runner, batch: Batch, output: Output | Quantized
    ) -> None:
        """Add the tokens of a batch, unless its block is already written."""
        assert self._writer is not None
        quantized = output if isinstance(output, Quantized) else output.quantized
        if int(batch.index[0]) // self.block_size in self._done:
            return
        self._writer.add(batch.index, quantized.tokens, batch.category, batch.ids)

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Write the last shard."""
        assert self._writer is not None
        self._writer.finish()
        distributed.barrier()
        _logger.info('tokens are in %s', self._writer.root)


def _shape(runner: Runner) -> tuple[int, tuple[int, int]]:
    """Return the crops of an image, and the rows and columns of tokens of each."""
    for index in range(len(runner.dataset)):
        sample = runner.dataset[index]
        if isinstance(sample, Unreadable):
            continue
        assert isinstance(sample, Sample)  # runners but the trainer refuse clips
        image = sample.original_image
        several = image.ndim == 4
        first = image[:1] if several else image[None]
        pixels = normalize(first.to(runner.strategy.device))
        with torch.no_grad(), runner.strategy.autocast():
            tokens: Tensor = runner.model.tokenizer(pixels).tokens  # type: ignore[operator]
        return len(image) if several else 1, (tokens.shape[1], tokens.shape[2])
    raise ValueError(f'no image of {runner.dataset} can be read')
