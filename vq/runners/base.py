"""What all runners share: a job, a device, a model and callbacks."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vq import checkpoints, distributed, dry_run
from vq.callbacks.base import Callback
from vq.config import Config
from vq.datasets.base import ImageDataset, MissingDataError
from vq.datasets.limited import LimitedDataset
from vq.datasets.synthetic import SyntheticDataset
from vq.models.frozen import FrozenModule, Pretrained
from vq.registry import CALLBACKS, DATASETS, MODELS, STRATEGIES
from vq.runners import loading
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

    Attributes:
        parts: Names of the only parts of the model that are used, and that need
            weights; none means all.
        frozen: What is known of the weights of frozen parts, by their names.
        visualizer: Where scalars and pictures go, on rank 0, if anywhere.
        trained: After how many iterations of training the weights are validated.
    """

    training = False
    parts: tuple[str, ...] = ()

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
        self.trained = 0
        self.total_batches = 0
        self.visualizer: Visualizer | None = None
        self.strategy: DDPStrategy = STRATEGIES.build(strategy)
        # One seed for the weights, so that they do not depend on the number of ranks.
        seed_all(job.seed)
        self.model: nn.Module = build_model(
            model, parts=self.parts, training=self.training
        )
        self.frozen: dict[str, checkpoints.FrozenPart] = {}
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
        """Load weight files or checkpoint folders into the model, and log a report.

        Raises:
            CheckpointError: A file is damaged or has moved; or, `strict`, something is
                missing, or a frozen part is not that of the checkpoint.
        """
        found = loading.gather(
            self.model, paths, strict=strict, ema=ema, parts=self.parts
        )
        self.take(found, paths, strict=strict)

    def take(
        self, found: checkpoints.Gathered, paths: Sequence[Path], *, strict: bool
    ) -> dict[str, Tensor]:
        """Load weights that were read from `paths`; return those that fit."""
        return loading.take(
            self.model,
            found,
            paths,
            strict=strict,
            parts=self.parts,
            load=partial(self.strategy.load_model_state, strict=False),
        )

    def own_state(self) -> dict[str, Tensor]:
        """Return the model's state dict without frozen parts that have files."""
        return checkpoints.without(self.model.state_dict(), self.in_files)

    @property
    def in_files(self) -> list[str]:
        """Names of the frozen parts whose weights are in files of their own."""
        return [name for name, part in self.frozen.items() if part.files]


def build_model(
    cfg: Mapping[str, Any], *, parts: Collection[str] = (), training: bool = False
) -> nn.Module:
    """Build a model and load the pretrained networks inside it, or in some parts.

    Those that are not frozen begin with their files in `training` alone.
    """
    model: nn.Module = MODELS.build(cfg)
    kind = Pretrained if training else FrozenModule
    for name, module in model.named_modules():
        wanted = not parts or checkpoints.within(f'{name}.', parts)
        # Networks of libraries have methods of that name which mean something else.
        if wanted and isinstance(module, kind):
            module.load_pretrained()
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
