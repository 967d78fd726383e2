"""Statistics of a whole data set for FID and its kin, written to pretrained/fid."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vq import distributed, dry_run
from vq.callbacks.base import Callback
from vq.checkpoints.files import WRITE_ERRORS
from vq.metrics.partial import PartialFiles, Sums
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import SUFFIX, locate
from vq.models.extractors import Extractor
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.extraction import Extraction

_logger = logging.getLogger(__name__)
PARTIAL = 'partial'  # below the work dir


@CALLBACKS.register_module()
class StatisticsCallback(Callback):
    """Adds up what an extractor sees, and writes it with the protocol as its stamp.

    Ranks write their sums to `partial/` in the work dir now and then, so that a run
    that was killed goes on after the finished blocks, with any number of ranks. In a
    dry run the result stays in the work dir.

    Args:
        name: Of the file in pretrained/fid; empty: the name of the work dir.
        features: How many pooled features to keep as they are, spread evenly over the
            data set, for KID, precision and recall.
        block_size: Consecutive images that one rank takes at a time, and that are
            finished together.
        save_every: Seconds between two writings of a rank's sums.
        force: Delete what an interrupted run left if it was of something else.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        *,
        name: str = '',
        features: int = 0,
        block_size: int = 256,
        save_every: float = 60.0,
        force: bool = False,
    ) -> None:
        for argument, value, least in (
            ('features', features, 0),
            ('block_size', block_size, 1),
            ('save_every', save_every, 0),
        ):
            if value < least:
                raise ValueError(f'{argument} must be at least {least}, got {value}')
        self.name = name
        self.features = features
        self.block_size = block_size
        self.save_every = save_every
        self.force = force
        self._earlier: frozenset[int] = frozenset()

    def before_run(self, runner: Runner) -> None:
        """Put together what an interrupted run of the same left.

        Raises:
            ValueError: It was a run of something else, or images would count twice.
        """
        self._started = time.perf_counter()
        extraction = _extraction(runner)
        self._path = self._result(runner)
        self._sums = Sums(
            extraction.model,
            length=len(runner.dataset),
            features=self.features,
            device=runner.strategy.device,
        )
        self._files = PartialFiles(
            runner.work_dir / PARTIAL,
            identity=dict(
                self._protocol(extraction).to_dict(),
                block_size=self.block_size,
                features=self.features,
            ),
        )
        if distributed.is_main():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._files.restore(self._sums, force=self.force)
        self._earlier = distributed.broadcast(frozenset(self._sums.blocks))
        self._images_earlier = distributed.broadcast(self._sums.count)
        self._block: int | None = None
        self._written = time.monotonic()
        self._announce(runner)

    def _announce(self, runner: Runner) -> None:
        share = runner.dataloader['batch_size'] // distributed.world_size()
        if share > self.block_size:
            _logger.warning(
                "a rank's batches of %d images are cut at blocks of %d; if more fit, "
                "set this callback's block_size",
                *(share, self.block_size),
            )
        number = len(runner.dataset)
        _logger.info('%d images of %s', number, runner.dataset.name)
        if self._earlier:
            _logger.info(
                '%d of %d blocks, %d images, are done by an interrupted run: its sums '
                'are in %s',
                len(self._earlier),
                -(-number // self.block_size),
                self._images_earlier,
                self._files.folder,
            )

    def _result(self, runner: Runner) -> Path:
        name = self.name or runner.work_dir.name
        if dry_run.enabled():
            return runner.work_dir / f'{name}{SUFFIX}'
        return locate(name)

    def _protocol(self, runner: Extraction) -> Protocol:
        seen_with: dict[str, Any] = runner.model.stamp()
        return dataclasses.replace(runner.data_protocol, **seen_with)

    def done(self) -> frozenset[int]:
        """Return the blocks that an interrupted run had finished."""
        return self._earlier

    def after_val_iter(self, runner: Runner, batch: Batch, output: Any) -> None:
        """Add the features of a batch; where a new block starts, the old ones are done.

        Args:
            runner: The runner.
            batch: The batch, all of one block.
            output: Its `Features`.
        """
        block = int(batch.index[0]) // self.block_size
        if self._block is not None and block != self._block:
            self._finish(self._block)
        self._block = block
        self._sums.update(batch, output)

    def _finish(self, block: int) -> None:
        self._sums.blocks.add(block)
        if time.monotonic() - self._written >= self.save_every:
            try:
                self._files.write(self._sums)
            except WRITE_ERRORS as error:
                _logger.warning('a kill would cost the work so far: %s', error)
            self._written = time.monotonic()

    def after_val(self, runner: Runner, metrics: Mapping[str, float]) -> None:
        """Write the statistics, and say so.

        Raises:
            ValueError: There were fewer than two images.
        """
        protocol = self._protocol(_extraction(runner))
        protocol = dataclasses.replace(protocol, size=self._sums.size())
        statistics = self._sums.statistics(protocol)
        if distributed.is_main():
            statistics.save(self._path)
            self._files.remove()
        self._report(statistics.pooled.count, len(runner.dataset))

    def _report(self, number: int, length: int) -> None:
        if number < length:
            _logger.warning(
                '%d of %d images could not be read and do not count',
                length - number,
                length,
            )
        seconds = time.perf_counter() - self._started
        new = number - self._images_earlier
        _logger.info(
            '%s: %d images%s in %.1f s, %.1f images/s',
            self._path,
            number,
            f', {new} of them now' if self._earlier else '',
            seconds,
            new / seconds,
        )


def _extraction(runner: Runner) -> Extraction:
    """Return the runner as what it has to be.

    Raises:
        ValueError: It is something else, or its data set replaces images.
    """
    if not isinstance(runner.model, Extractor):
        raise ValueError(
            'StatisticsCallback needs a feature extractor as the model, got '
            f'{type(runner.model).__name__}; see configs/fid'
        )
    if runner.dataset.on_error == 'replace':
        raise ValueError(
            f'{runner.dataset.name} replaces unreadable images by others, which would '
            "count twice; set the data set's on_error to 'skip' or 'raise'"
        )
    return runner  # type: ignore[return-value]
