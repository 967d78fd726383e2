"""The Inception Score (https://arxiv.org/abs/1606.03498), streamed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vq import distributed, dry_run
from vq.metrics.base import Measured
from vq.metrics.features import FeatureMetric
from vq.models.extractors import Features
from vq.registry import METRICS
from vq.types import Batch

SEED = 2020  # torch-fidelity's


def inception_score(
    logits: Tensor, *, splits: int = 10, shuffle: bool = True, seed: int = SEED
) -> dict[str, float]:
    """Return mean and standard deviation, over splits, of the Inception Score.

    Args:
        logits: (n, k).
        splits: See `InceptionScoreMetric`.
        shuffle: See `InceptionScoreMetric`.
        seed: See `InceptionScoreMetric`.

    Raises:
        ValueError: There are fewer images than splits.
    """
    split = split_of_images(len(logits), splits=splits, shuffle=shuffle, seed=seed)
    return scores(split_sums(logits, split.to(logits.device), splits=splits))


def split_of_images(length: int, *, splits: int, shuffle: bool, seed: int) -> Tensor:
    """Return the split that each of a number of images belongs to: int64, (length,)."""
    order = np.arange(length)
    if shuffle:
        order = np.random.RandomState(seed).permutation(length)
    bounds = [length * split // splits for split in range(splits + 1)]
    split = np.empty(length, dtype=np.int64)
    split[order] = np.repeat(np.arange(splits), np.diff(bounds))
    return torch.from_numpy(split)


def split_sums(logits: Tensor, split: Tensor, *, splits: int) -> Tensor:
    """Return what can be added up over batches and ranks.

    Args:
        logits: (b, k).
        split: Split of each image, (b,).
        splits: How many there are.

    Returns:
        A row a split: the sums of p, of sum p log p, and the count; float64,
        (splits, k + 2).
    """
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    rows = torch.cat(
        [p, (p * log_p).sum(1, keepdim=True), torch.ones_like(p[:, :1])], 1
    )
    return functional.one_hot(split, splits).to(rows).T @ rows


def scores(sums: Tensor) -> dict[str, float]:
    """Return mean and standard deviation of the scores of splits, of `split_sums`.

    A score is exp of the mean divergence of p from its split's mean. In a dry run, of
    very few images, it may be nan.

    Raises:
        ValueError: A split has no image.
    """
    count = sums[:, -1:]
    if not count.all() and not dry_run.enabled():
        raise _too_few(int(count.sum()), len(count))
    mean_p, negentropy = sums[:, :-2] / count, sums[:, -2] / count[:, 0]
    score = (negentropy - torch.special.xlogy(mean_p, mean_p).sum(1)).exp()
    return dict(mean=score.mean().item(), std=score.std(correction=0).item())


def _too_few(images: int, splits: int) -> ValueError:
    return ValueError(
        f'{images} images do not fill {splits} splits of the Inception Score; '
        'set `splits` to fewer'
    )


@METRICS.register_module()
class InceptionScoreMetric(FeatureMetric):
    """The Inception Score of reconstructions or samples, `mean` and `std` over splits.

    Memory is a row of classes a split: an image's split is known from its position.
    Published scores, torch-fidelity's and ADM's, are of TensorFlow's rule of resizing,
    `extractor=dict(type='InceptionExtractor', rule='tensorflow')`. The default is that
    of FID, so that one pass serves both.

    Args:
        splits: Parts of nearly equal size that are scored on their own.
        shuffle: Draw the parts at random, as torch-fidelity does; False cuts
            the row of images into pieces, as ADM's evaluator does.
        seed: Of the draw.
        extractor: See `FeatureMetric`; it must have classes.
    """

    def __init__(
        self,
        *,
        splits: int = 10,
        shuffle: bool = True,
        seed: int = SEED,
        extractor: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(extractor=extractor)
        if splits < 1:
            raise ValueError(f'splits must be 1 at least, got {splits}')
        self._options: dict[str, Any] = dict(splits=splits, shuffle=shuffle, seed=seed)
        self._splits = splits
        self._split = torch.zeros(0, dtype=torch.int64)
        self._sums: Tensor | None = None

    def prepare(self, runner: Measured) -> None:
        """Build the extractor, and cut the data set into splits.

        Raises:
            FileNotFoundError: The extractor's weights are missing.
            ValueError: It has no classes, or there are fewer images than splits.
        """
        super().prepare(runner)
        if not self.source.extractor.classes:
            name = type(self.source.extractor).__name__
            raise ValueError(
                f'the Inception Score needs logits of classes, and {name} has none'
            )
        length = len(runner.dataset)
        if length < self._splits and not dry_run.enabled():
            raise _too_few(length, self._splits)
        self._split = split_of_images(length, **self._options)

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._sums = None

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, and how the images were split."""
        return dict(super().protocol(), **self._options)

    def _open(self) -> Tensor:
        if self._sums is None:
            shape = self._splits, self.source.extractor.classes + 2
            self._sums = torch.zeros(shape, dtype=torch.float64, device=self.device)
        return self._sums

    def _add(self, features: Features, batch: Batch) -> None:
        assert features.logits is not None
        self._split = self._split.to(batch.index.device)
        split = self._split[batch.index]
        self._open().add_(split_sums(features.logits, split, splits=self._splits))

    def compute(self) -> dict[str, float]:
        """Return `mean` and `std` over splits; all ranks must call it.

        Raises:
            ValueError: A split has no image.
        """
        return scores(distributed.sum_(self._open()))
