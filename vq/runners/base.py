"""What all runners share: a job, a device, a model and callbacks."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vq import checkpoints, distributed, dry_run
from vq.callbacks.base import Callback
from vq.config import Config
from vq.datasets.base import ImageDataset, MissingDataError
from vq.datasets.limited import LimitedDataset
from vq.datasets.synthetic import SyntheticDataset
from vq.registry import CALLBACKS, DATASETS, MODELS, STRATEGIES
from vq.runners.randomness import seed_all
from vq.runners.strategies import DDPStrategy
from vq.visual import Visualizer

_logger = logging.getLogger(__name__)


@dataclass
class Job:
    """What a command line adds to a config.

    Attributes:
        name: Name of the run.
        work_dir: Its folder.
        config: The config, for dumps.
        seed: Seed of everything random.
    """

    name: str
    work_dir: Path
    config: Config
    seed: int = 3407


class Runner:
    """Builds what it runs; subclasses say in which loop.

    Args:
        job: What the command line adds.
        model: Config of the model.
        dataset: Config of the data set.
        dataloader: `batch_size` (of all ranks together) and `num_workers`.
        strategy: Config of the strategy.
        callbacks: Configs of the callbacks, in the order in which they are called.
    """

    training = False

    def __init__(
        self,
        *,
        job: Job,
        model: Mapping[str, Any],
        dataset: Mapping[str, Any],
        dataloader: Mapping[str, Any],
        strategy: Mapping[str, Any],
        callbacks: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.job = job
        self.work_dir = job.work_dir
        self.iteration = 0
        self.total_batches = 0
        self.visualizer: Visualizer | None = None
        self.strategy: DDPStrategy = STRATEGIES.build(strategy)
        # One seed for the weights, so that they do not depend on the number of ranks.
        seed_all(job.seed)
        self.model: nn.Module = build_model(model)
        self.model.train(self.training)
        self.strategy.place(self.model, training=self.training)
        self.dataset = build_dataset(dataset)
        self.dataloader = dict(dataloader)
        self.callbacks: list[Callback] = [CALLBACKS.build(c) for c in callbacks]
        # From here on each rank draws its own numbers.
        seed_all(job.seed + distributed.rank())

    def call(self, moment: str, *args: Any) -> None:
        """Call every callback at `moment`, in order."""
        for callback in self.callbacks:
            getattr(callback, moment)(self, *args)

    def load_weights(
        self, paths: Sequence[Path], *, strict: bool, ema: bool = False
    ) -> None:
        """Load weight files or checkpoint folders into the model, and log a report."""
        weights = checkpoints.read_weights(paths, ema=ema)
        report, fitting = checkpoints.match(self.model, weights, strict=strict)
        self.strategy.load_model_state(self.model, fitting, strict=False)
        names = ', '.join(str(path) for path in paths)
        level = logging.WARNING if report.missing or report.mismatched else logging.INFO
        _logger.log(level, '%s: %s', names, report)


def build_model(cfg: Mapping[str, Any]) -> nn.Module:
    """Build a model and load the pretrained networks inside it."""
    model: nn.Module = MODELS.build(cfg)
    for module in model.modules():
        load_pretrained = getattr(module, 'load_pretrained', None)
        if load_pretrained is not None:
            load_pretrained()
    return model


def build_dataset(cfg: Mapping[str, Any]) -> ImageDataset:
    """Build a data set.

    In a dry run it is cut short, and where it is missing synthetic images stand in.

    Raises:
        MissingDataError: Its files are not there, and this is no dry run.
    """
    if not dry_run.enabled():
        dataset: ImageDataset = DATASETS.build(cfg)
        return dataset
    length = dry_run.SAMPLES * distributed.world_size()
    try:
        return LimitedDataset(dataset=cfg, length=length)
    except MissingDataError as error:
        _logger.warning('dry run: synthetic images stand in: %s', error)
        return SyntheticDataset(length=length, transforms=cfg.get('transforms', ()))
