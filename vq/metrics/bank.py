"""Features of single images, for metrics that compare images with each other."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vq import distributed, dry_run
from vq.metrics.base import Measured
from vq.metrics.features import ReferencedMetric
from vq.metrics.statistics import locate, make_command
from vq.models.extractors import Features
from vq.types import Batch


class Bank:
    """The features of images, on the CPU, in the order of the data set.

    They are 8 kB an image of Inception's 2,048 numbers.

    Args:
        dim: Length d of a feature.
        length: Number of images of the data set.
        number: How many of them are kept, evenly spaced; None is all.
    """

    def __init__(self, dim: int, *, length: int, number: int | None = None) -> None:
        self.length = length
        self.number = length if number is None else min(number, length)
        self._features = [torch.empty(0, dim)]
        self._index = [torch.empty(0, dtype=torch.int64)]

    def update(self, features: Tensor, index: Tensor) -> None:
        """Add the features (b, d) of images at positions of the data set (b,)."""
        # Image i opens a new one of `number` equal parts of the row, or does not.
        kept = index * self.number % self.length < self.number
        self._features.append(features[kept].float().cpu())
        self._index.append(index[kept].cpu())

    def state_dict(self) -> dict[str, Tensor]:
        """Return what this rank has: `features` (n, d) and `index` (n,)."""
        return dict(features=torch.cat(self._features), index=torch.cat(self._index))

    def add(self, state: Mapping[str, Tensor]) -> None:
        """Add what `state_dict` returned, of this run or another."""
        self._features.append(state['features'])
        self._index.append(state['index'])

    def gather(self) -> Tensor:
        """Return the features of all ranks, by position, (n, d); all must call it."""
        index = distributed.cat(torch.cat(self._index))
        features = distributed.cat(torch.cat(self._features))
        return features[index.argsort()]


def check_sizes(
    features: Tensor, reference: Tensor, *, least: int, argument: str
) -> None:
    """Check that two sets of features can be compared.

    Args:
        features: (n, d).
        reference: (m, d).
        least: How many images either needs.
        argument: What asks for so many, `subset_size=1000`.

    Raises:
        ValueError: They differ in length, or are too few.
    """
    if features.shape[1] != reference.shape[1]:
        raise ValueError(
            f'features of {features.shape[1]} and of {reference.shape[1]} numbers '
            'cannot be compared; take statistics of one extractor'
        )
    check_number(len(features), 'there are', least=least, argument=argument)
    check_number(len(reference), 'the reference has', least=least, argument=argument)


def check_number(number: int, what: str, *, least: int, argument: str) -> None:
    """Check that there are as many images as an argument asks for.

    Raises:
        ValueError: There are not.
    """
    if number < least:
        raise ValueError(
            f'{what} {number} images, and {argument} needs {least} at least; take more '
            'images, or set it lower'
        )


class BankedMetric(ReferencedMetric):
    """A comparison of single images with those of cached statistics.

    In a dry run the features are gathered, but the result is nan: the images are far
    too few.

    Args:
        reference: See `ReferencedMetric`; the statistics must hold features.
        least: How many images are needed, and so many of the reference.
        argument: What asks for so many, `subset_size=1000`.
        number: How many reconstructions are compared, evenly spaced in the data set;
            None is all.
        extractor: See `FeatureMetric`.
    """

    results: tuple[str, ...]
    bank: Bank

    def __init__(
        self,
        *,
        reference: str | None,
        least: int,
        argument: str,
        number: int | None,
        extractor: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(reference=reference, extractor=extractor)
        if number is not None and number < 1:
            raise ValueError(f'number must be 1 at least, got {number}')
        self._needs: dict[str, Any] = dict(least=least, argument=argument)
        self._number = number
        self._length = 0

    def prepare(self, runner: Measured) -> None:
        """Build the extractor and find the reference's features.

        Raises:
            FileNotFoundError: Weights or statistics are missing; says what makes them.
            ValueError: The statistics hold no features, or others, or there are too
                few images.
        """
        super().prepare(runner)
        self._length = len(runner.dataset)
        self._clear()
        if dry_run.enabled():
            return
        ours = torch.empty(self.bank.number, self.source.extractor.dim)
        check_sizes(ours, self._theirs(), **self._needs)

    def _theirs(self) -> Tensor:
        assert self.reference is not None
        if self.reference.features is None:
            path, name = locate(self._name), type(self).__name__
            raise ValueError(
                f'{path} holds no features of single images, which {name} compares; '
                f'make it anew: {make_command(path)} --features 10000'
            )
        return self.reference.features

    def _clear(self) -> None:
        dim = self.source.extractor.dim
        self.bank = Bank(dim, length=self._length, number=self._number)

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._clear()

    def protocol(self) -> dict[str, Any]:
        """Return what the number means, and how many features are compared."""
        record = dict(super().protocol(), features=self.bank.number)
        if self.reference is not None and self.reference.features is not None:
            record['reference_features'] = len(self.reference.features)
        return record

    def _add(self, features: Features, batch: Batch) -> None:
        self.bank.update(features.pooled, batch.index)

    def compute(self) -> dict[str, float]:
        """Return the results; all ranks must call it.

        Raises:
            ValueError: Too few images could be read.
        """
        features = self.bank.gather()
        if dry_run.enabled():
            return dict.fromkeys(self.results, math.nan)
        reference = self._theirs()
        check_sizes(features, reference, **self._needs)
        results = {}
        if distributed.is_main():
            pair = features.to(self.device), reference.to(self.device)
            results = self._measure(*pair)
        return distributed.broadcast(results)

    @abstractmethod
    def _measure(self, features: Tensor, reference: Tensor) -> dict[str, float]:
        """Compare features (n, d) with the reference's (m, d)."""
