"""Validator: walks a data set once and measures; each image counts exactly once."""

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from vq import distributed
from vq.datasets.loader import val_loader
from vq.metrics.base import Metric
from vq.metrics.protocol import Protocol, data_protocol
from vq.metrics.sources import FeatureSource
from vq.registry import METRICS, RUNNERS
from vq.runners.base import Job, Runner, build_dataset
from vq.runners.tokens import check_tokens
from vq.types import Batch, Output, Quantized

_logger = logging.getLogger(__name__)
SKIP = '; --skip-missing measures without it'


@RUNNERS.register_module()
class Validator(Runner):
    """Reconstructs every image of a data set and computes metrics over all ranks.

    Ranks share the images without padding, so metrics are exact for any number of ranks
    and any length.

    Args:
        job: What the command line adds.
        model: Config of the model; it has `val_step(batch)`.
        dataset: Config of the data set.
        dataloader: `batch_size` (of all ranks together) and `num_workers`.
        strategy: Config of the strategy.
        metrics: Configs of metrics, by the names of their results.
        callbacks: Configs of callbacks.
        ema: Load the averaged weights of checkpoints.
        generated: The pictures are no known data set's, but samples: their protocol
            says nothing of a data set.
        reference_dataset: Config of the data set that metrics without a named
            reference compare with; None is the one that is walked.
        skip_missing: Leave metrics out, with a warning, whose files are missing.
        allow_mismatch: Compare with statistics that were made in another way; the
            record then says so.

    Attributes:
        measures: Whether metrics are computed; if not, they are not even built, so
            that the weights that some of them need may be missing.
    """

    measures = True

    def __init__(
        self,
        *,
        job: Job,
        model: Mapping[str, Any],
        dataset: Mapping[str, Any],
        dataloader: Mapping[str, Any],
        strategy: Mapping[str, Any],
        metrics: Mapping[str, Mapping[str, Any]] | None = None,
        callbacks: Sequence[Mapping[str, Any]] = (),
        ema: bool = False,
        generated: bool = False,
        reference_dataset: Mapping[str, Any] | None = None,
        skip_missing: bool = False,
        allow_mismatch: bool = False,
    ) -> None:
        super().__init__(
            job=job,
            model=model,
            dataset=dataset,
            dataloader=dataloader,
            strategy=strategy,
            callbacks=callbacks,
        )
        if self.dataset.frames > 1:
            raise ValueError(
                f'the data set holds clips of {self.dataset.frames} frames, and single '
                "images are looked at here: set the data set's frames=1"
            )
        self.ema = ema
        self.generated = generated
        self._reference_dataset = reference_dataset
        self.allow_mismatch = allow_mismatch
        self._sources: dict[str, FeatureSource] = {}
        chosen = metrics if self.measures and metrics else {}
        self.metrics: dict[str, Metric] = {}
        for name, cfg in chosen.items():
            metric: Metric = METRICS.build(cfg)
            problem = self._prepare(metric)
            # A file may be missing on one node alone: all ranks leave the metric out.
            if not distributed.any_(problem is not None):
                self.metrics[name] = metric
            elif not skip_missing and problem is not None:
                raise FileNotFoundError(f'metric {name}: {problem}{SKIP}') from problem
            else:
                why = problem or 'another rank lacks a file'
                _logger.warning('metric %s is left out: %s', name, why)

    def _prepare(self, metric: Metric) -> FileNotFoundError | None:
        """Prepare a metric; return the error of a missing file."""
        try:
            metric.prepare(self)
        except FileNotFoundError as error:
            return error
        return None

    def feature_source(self, extractor: Mapping[str, Any]) -> FeatureSource:
        """Return the source of an extractor's features, one for equal configs."""
        key = json.dumps(dict(extractor), sort_keys=True)
        if key not in self._sources:
            self._sources[key] = FeatureSource(extractor)
        return self._sources[key]

    @cached_property
    def data_protocol(self) -> Protocol:
        """What the images are, for the stamps of metrics."""
        if self.generated:
            return Protocol(number=len(self.dataset))
        return data_protocol(self.dataset)

    @cached_property
    def reference_data(self) -> Protocol:
        """What the images are that metrics without a named reference compare with."""
        cfg = self._reference_dataset
        return data_protocol(self.dataset if cfg is None else build_dataset(cfg))

    def protocols(self) -> dict[str, dict[str, Any]]:
        """Return what each number means, by metric, and under `data` the images."""
        found = {name: metric.protocol() for name, metric in self.metrics.items()}
        return dict(data=self.data_protocol.to_dict(), **found)

    def step(self, batch: Batch) -> Output | Quantized:
        """Return what metrics and callbacks are given for a batch."""
        output: Output = self.model.val_step(batch)  # type: ignore[operator]
        return output

    def done_blocks(self) -> Collection[int]:
        """Return the blocks that need not be walked: all that are only written."""
        done = [blocks for c in self.callbacks if (blocks := c.done()) is not None]
        if self.measures or not done:
            return ()
        return set.intersection(*map(set, done))

    def run(self) -> dict[str, float]:
        """Walk the data set; return the metrics, the same on every rank.

        Raises:
            ValueError: The data set's tokens are another tokenizer's, see `tokens`.
        """
        started = time.perf_counter()
        check_tokens(self)
        self.call('before_run')
        loader = val_loader(
            self.dataset,
            **self.dataloader,
            block_size=self._block_size(),
            skip=self.done_blocks(),
        )
        self.total_batches = len(loader)
        self.iteration = 0
        for metric in self.metrics.values():
            metric.reset()
        self.model.eval()
        with torch.no_grad():
            for batch in loader:
                self._val_iter(batch)
        results = self._compute()
        self.call('after_val', results)
        self.call('after_run')
        seconds = time.perf_counter() - started
        if self.measures:  # others may have left blocks out, and have files to name
            _logger.info('%d images in %.1f s', len(self.dataset), seconds)
        return results

    def _block_size(self) -> int:
        """Return the callbacks' block size; without one, blocks are batches."""
        share = max(1, self.dataloader['batch_size'] // distributed.world_size())
        return max((c.block_size for c in self.callbacks), default=0) or share

    def _val_iter(self, batch: Batch) -> None:
        self.iteration += 1
        for problem in batch.unreadable:
            _logger.warning('unreadable image: %s', problem)
        if not len(batch):
            return
        batch = batch.to(self.strategy.device)
        with self.strategy.autocast():
            output = self.step(batch)
        for metric in self.metrics.values():
            metric.update(batch, output)
        for source in self._sources.values():
            source.forget()
        self.call('after_val_iter', batch, output)

    def _compute(self) -> dict[str, float]:
        results: dict[str, float] = {}
        for name, metric in self.metrics.items():
            value = metric.compute()
            if isinstance(value, dict):
                results |= {f'{name}/{key}': v for key, v in value.items()}
            else:
                results[name] = value
        return results
