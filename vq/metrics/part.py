"""Image metrics on one kind of the pictures that a proposal network makes."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import nn

from vq import checkpoints
from vq.metrics.base import Measured, Metric
from vq.metrics.protocol import Protocol
from vq.metrics.sources import FeatureSource
from vq.registry import METRICS
from vq.types import Batch, Prediction

Part = Literal['reconstruction', 'completed', 'generated']


class Drawn:
    """A run as a metric of its samples sees it: they are no data set's pictures.

    Args:
        runner: The run.
    """

    def __init__(self, runner: Measured) -> None:
        self.model = runner.model
        self.dataset = runner.dataset
        self.allow_mismatch = runner.allow_mismatch
        self._runner = runner

    @property
    def data_protocol(self) -> Protocol:
        """So many samples, of no data set."""
        return Protocol(number=len(self.dataset))

    @property
    def reference_data(self) -> Protocol:
        """What samples without a named reference are compared with: the data set."""
        return self._runner.reference_data

    def feature_source(self, extractor: Mapping[str, Any]) -> FeatureSource:
        """Return the source of an extractor's features, one for equal configs."""
        return self._runner.feature_source(extractor)


@METRICS.register_module()
class PartMetric(Metric):
    """Another metric, measured on one kind of a `Prediction`'s pictures.

        rfid=dict(type='PartMetric', part='reconstruction', once=True,
                  metric=dict(type='FIDMetric'))
        gfid=dict(type='PartMetric', part='generated', metric=dict(type='FIDMetric'))

    What nobody measures or draws is never made.

    Args:
        part: See `Prediction.part`. All but reconstructions count as samples: their
            protocol says nothing of a data set, and how the model samples.
        metric: Config of the metric.
        once: Of several checkpoints measure the first alone, and repeat the result as
            long as the model's frozen parts stay the same; for reconstructions.

    Raises:
        ValueError: There is no such part, or `once` stands for one that changes with
            what is trained.
    """

    def __init__(
        self, *, part: Part, metric: Mapping[str, Any], once: bool = False
    ) -> None:
        super().__init__()
        if part not in get_args(Part):
            raise ValueError(f'part must be one of {get_args(Part)}, got {part!r}')
        if once and part != 'reconstruction':
            raise ValueError(
                f'{part!r} pictures change with the weights that are trained: leave '
                "once=True to part='reconstruction'"
            )
        self.part = part
        self.metric: Metric = METRICS.build(metric)
        self.once = once
        self._model: nn.Module | None = None
        self._state: str | None = None  # of the frozen parts that were measured
        self._result: float | dict[str, float] | None = None

    def prepare(self, runner: Measured) -> None:
        """Prepare the metric.

        Raises:
            FileNotFoundError: A file that it needs is missing; says what makes it.
        """
        self._model = runner.model
        self.metric.prepare(runner if self.part == 'reconstruction' else Drawn(runner))

    def protocol(self) -> dict[str, Any]:
        """Return what the metric says, of which pictures, and how they were drawn."""
        said = dict(self.metric.protocol(), part=self.part)
        if self.part == 'reconstruction' or self._model is None:
            return said
        return dict(said, sampling=dataclasses.asdict(self._model.sampling))  # type: ignore[call-overload]

    def reset(self) -> None:
        """Forget everything, but a result that still holds."""
        super().reset()
        state = self._frozen() if self.once else None
        if state is None or state != self._state:
            self._state, self._result = state, None
        if self._result is None:
            self.metric.reset()

    def _frozen(self) -> str | None:
        """Return the hash of the frozen parts; None where nothing is frozen."""
        model = self._model
        parts = [] if model is None else checkpoints.frozen_parts(model)
        if model is None or not parts:
            return None
        return checkpoints.state_hash(checkpoints.only(model.state_dict(), parts))

    def _update(self, batch: Batch, output: Prediction) -> None:
        if self._result is None:
            self.metric.update(batch, output.part(self.part))

    def compute(self) -> float | dict[str, float]:
        """Return the metric's result, or an earlier one that still holds.

        Raises:
            ValueError: No rank saw anything.
        """
        if self._result is not None:
            return self._result
        result = self.metric.compute()
        if self._state is not None:
            self._result = result
        return result
