"""Measures the samples of a sweep's points, each once."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import distributed, dry_run
from vq.checkpoints import write_json
from vq.config import Config, check
from vq.generation.record import NOTES
from vq.metrics.features import MismatchError
from vq.registry import RUNNERS
from vq.runners import Job, Validator
from vq.sweeps.points import Point, Result, read_json

_logger = logging.getLogger(__name__)
TYPES = dict(
    fid='FIDMetric',
    inception_score='InceptionScoreMetric',
    precision_recall='PrecisionRecallMetric',
)
RECORD = '_metrics.json'  # what its name adds to that of the folder
INTERVAL = 50  # batches between two lines of progress
Metrics = dict[str, dict[str, Any]]


def metric_configs(validator: Mapping[str, Any]) -> Metrics:
    """Return the configs of FID, Inception Score, precision and recall.

    What a validator measures of its generated pictures is measured here in the same
    way, so that both numbers may be compared; the rest is measured by default.
    """
    own = {
        metric['metric']['type']: dict(metric['metric'])
        for metric in (validator.get('metrics') or {}).values()
        if metric['type'] == 'PartMetric' and metric['part'] == 'generated'
    }
    return {name: own.get(type_, dict(type=type_)) for name, type_ in TYPES.items()}


class FolderError(ValueError):
    """A folder holds more or fewer pictures than it should."""


class Measurer:
    """Measures folders of samples against the data set that a config validates on.

    Metrics whose files are missing, or that need other statistics or more images, are
    left out with a warning that says what to do.

    Args:
        config: Of the proposal network.
        work_dir: Where the runs belong; they write nothing there.
        allow_mismatch: See `Validator`.
    """

    def __init__(
        self, config: Config, *, work_dir: Path, allow_mismatch: bool = False
    ) -> None:
        self._config = config
        self._job = Job(name='sweep', work_dir=work_dir, config=config)
        self._allow_mismatch = allow_mismatch
        self._metrics: Metrics | None = None

    def measure(self, points: Sequence[Point]) -> list[Result]:
        """Return the numbers of points; all ranks must call it.

        Raises:
            FolderError: A folder does not hold the point's number of pictures.
            MismatchError: The statistics were made in another way.
        """
        distributed.barrier()  # whoever writes the samples has written them
        return [Result(point, self._values(point)) for point in points]

    def _values(self, point: Point) -> dict[str, float]:
        if self._metrics is None:
            self._metrics = self._usable(point)
        if not self._metrics:
            return {}
        made = self._made(point)
        path = point.beside(RECORD)
        known = distributed.broadcast(read_json(path))
        if known is not None and known.get('made') == made:
            values: dict[str, float] = known['metrics']
            return values
        _logger.info('measuring %s', point.folder)
        validator = self._build(point, self._metrics)
        values = validator.run()
        # A dry run's samples are nobody's, and its numbers not to be taken up.
        if distributed.is_main() and not dry_run.enabled():
            protocols = validator.protocols()
            write_json(path, dict(made=made, metrics=values, protocols=protocols))
        return values

    def _usable(self, point: Point) -> Metrics:
        """Return the metrics that can be measured, and say what the others lack."""
        usable: Metrics = {}
        for name, cfg in metric_configs(self._config.validator).items():
            try:
                validator = self._build(point, {name: cfg})
            except (FolderError, MismatchError):
                raise
            except ValueError as error:
                _logger.warning('metric %s is left out: %s', name, error)
                continue
            if validator.metrics:
                usable[name] = cfg
        return usable

    def _made(self, point: Point) -> Any:
        """Return what the numbers depend on, as JSON gives it back."""
        record = read_json(point.beside('.json')) or {}
        samples = {key: record[key] for key in record if key not in NOTES}
        made = dict(
            settings=point.settings,
            number=point.number,
            samples=distributed.broadcast(samples),
            metrics=self._metrics,
            dataset=self._config.validator.dataset,
            allow_mismatch=self._allow_mismatch,
        )
        return json.loads(json.dumps(made, default=str))

    def _build(self, point: Point, metrics: Metrics) -> Validator:
        validated = self._config.validator
        cfg = dict(
            type='Validator',
            model=dict(type='PassThrough'),
            dataset=dict(
                type='FolderDataset', data_root=str(point.folder), transforms=[]
            ),
            dataloader=validated.dataloader,
            strategy=dict(type='DDPStrategy'),
            metrics=metrics,
            callbacks=[dict(type='LogCallback', interval=INTERVAL)],
            generated=True,
            reference_dataset=validated.dataset,
            skip_missing=True,
            allow_mismatch=self._allow_mismatch,
        )
        check(cfg)
        validator: Validator = RUNNERS.build(cfg, job=self._job)
        found = len(validator.dataset)
        if found != point.number and not dry_run.enabled():
            raise FolderError(
                f'{point.folder} holds {found} pictures, and {point.number} are to be '
                'measured: sample the rest, or remove what does not belong there'
            )
        return validator
