"""Generator: samples images by a proposal network, and goes on where it was stopped."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vq import checkpoints, distributed, dry_run, images
from vq.datasets.decoding import read_image
from vq.datasets.sampler import BlockSampler
from vq.generation import pictures
from vq.generation.draws import Draw, Plan
from vq.generation.plans import Original
from vq.generation.record import check_record, write_record
from vq.models.proposal import ProposalNetwork
from vq.models.transformers import UNKNOWN, Sampling, uniforms
from vq.pretrained.progress import Progress
from vq.registry import RUNNERS
from vq.runners.base import Job, Runner
from vq.runners.guards import StopRequest
from vq.types import Batch

_logger = logging.getLogger(__name__)
Drawing = Callable[[Sequence[Draw]], Tensor]  # to uint8 pictures (b, 3, h, w)


@RUNNERS.register_module()
class Generator(Runner):
    """Samples images, each once, by whichever rank comes to it.

    A sample depends on its draw and the seed, not on the batch or the rank; so a folder
    that was begun is gone on with, by any number of ranks.

    Args:
        job: What the command line adds.
        model: Config of a `ProposalNetwork`.
        strategy: Config of the strategy.
        batch_size: Images a batch, of all ranks together.
        transforms: Configs of what is done to pictures whose tokens are kept.
        ema: Load the averaged weights of checkpoints.
        compile: Compile the step from token to token.

    Raises:
        ValueError: The model samples nothing.
    """

    model: ProposalNetwork

    def __init__(
        self,
        *,
        job: Job,
        model: Mapping[str, Any],
        strategy: Mapping[str, Any],
        batch_size: int,
        transforms: Sequence[Mapping[str, Any]] = (),
        ema: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            job=job,
            model=model,
            # A runner has a data set; nothing is read of this one.
            dataset=dict(type='SyntheticDataset', length=1, transforms=transforms),
            dataloader=dict(batch_size=batch_size, num_workers=0),
            strategy=strategy,
        )
        if not isinstance(self.model, ProposalNetwork):
            raise ValueError(
                f'{job.config.path} is of a {type(self.model).__name__}, which samples '
                'nothing: give the config of a ProposalNetwork, such as those of '
                'configs/ar'
            )
        self.ema = ema
        self.compile = compile
        self.weights = ''

    def begin(self) -> None:
        """Note whose samples these will be; to be called once the weights are in.

        The transformer's matrices take the precision of autocast for good: each token
        reads all of them, and would read them twice as wide, or cast them anew.

        Raises:
            ValueError: Weights are not finite.
        """
        state = self.model.state_dict()
        broken = [name for name, value in state.items() if not value.isfinite().all()]
        if broken:
            raise ValueError(
                f'the weights are not finite, {len(broken)} of them, such as '
                f'{broken[0]}: sample from an earlier checkpoint'
            )
        hashed = checkpoints.state_hash(state) if distributed.is_main() else ''
        self.weights = distributed.broadcast(hashed)
        for module in self.model.transformer.modules():
            if isinstance(module, nn.Linear):
                module.to(self.strategy.precision)
        if self.compile:
            self.model.compile_sampler()
        self.model.eval()

    def settings(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """Return what any sample depends on, for the record."""
        return dict(
            weights=self.weights,
            grid=self.model.token_grid,
            precision=str(self.strategy.precision or torch.float32),
            seed=seed,
            **vars(sampling),
        )

    def generate(
        self, plan: Plan, *, sampling: Sampling, seed: int, folder: Path
    ) -> bool:
        """Sample what is not in a folder yet.

        Args:
            plan: What it is to hold.
            sampling: Guidance, temperature, filters.
            seed: Of all random numbers.
            folder: Where to write.

        Returns:
            Whether all is there now, and not a signal has ended it before.

        Raises:
            ValueError: The folder holds samples of other settings.
        """
        settings = {**self.settings(sampling, seed), **plan.settings}
        # A dry run's weights are random, and its samples nobody's.
        if not dry_run.enabled():
            check_record(folder, settings, plan.number, names=plan.names)
        distributed.barrier()  # all have checked before one writes
        if distributed.is_main():
            config = self.job.config.path
            write_record(folder, settings, plan.number, config=str(config))
            for name, image in plan.given.items():
                pictures.write(image, pictures.path_of(folder, name))
        left = self._left(plan.draws, folder)
        draw = partial(self.draw, sampling=sampling, seed=seed)
        started = time.perf_counter()
        mine = self._sample(left, draw, folder, total=len(plan.draws))
        number = sum(distributed.gather(mine))
        _logger.info(
            '%d of %d images are in %s; %d sampled now, %s/s',
            len(plan.draws) - len(left) + number,
            len(plan.draws),
            folder,
            number,
            _images(number / (time.perf_counter() - started)),
        )
        return number == len(left)

    def _sample(
        self, left: Sequence[Draw], draw: Drawing, folder: Path, *, total: int
    ) -> int:
        """Write this rank's part of what is left; return how many that were.

        Args:
            left: What is still to be sampled by all ranks.
            draw: Samples a batch.
            folder: Where to write.
            total: Images that the folder is to hold, for the progress.
        """
        done = total - len(left)
        progress = Progress(label='sampling', total=total, done=done, describe=_images)
        number = shown = 0
        with StopRequest() as stop, pictures.PictureWriter() as writer:
            for draws in self._batches(left):
                if stop:
                    _logger.warning(
                        '%s: the same command goes on from here', stop.reason
                    )
                    break
                files = [pictures.path_of(folder, one.name) for one in draws]
                writer.add(dict(zip(files, draw(draws), strict=True)))
                number += len(draws)
                if distributed.is_main():  # the others are about as far
                    before, ranks = shown, distributed.world_size()
                    shown = min(number * ranks, len(left))
                    progress.add(shown - before)
        if distributed.is_main() and left:
            progress.close()
        return number

    @torch.no_grad()
    def draw(self, draws: Sequence[Draw], *, sampling: Sampling, seed: int) -> Tensor:
        """Sample one batch: uint8 pictures (b, 3, h, w), on the CPU."""
        asked = len(draws)
        if self.compile:  # for one shape
            draws = [*draws, *[draws[-1]] * (self._share - asked)]
        network = self.model.transformer
        shape = (len(draws), network.length, len(network.token_sizes))
        uniform = uniforms(seed, [draw.index for draw in draws], shape[1] * shape[2])
        unknown = network.grid(torch.full((1, *shape[1:]), UNKNOWN))[0]
        known = [unknown if draw.known is None else draw.known for draw in draws]
        any_known = any(draw.known is not None for draw in draws)
        device = self.strategy.device
        with self.strategy.autocast():
            made = self.model.generate(
                self.condition(draws),
                uniform=uniform.view(shape).to(device),
                sampling=sampling,
                known=torch.stack(known).to(device) if any_known else None,
            )
        return images.to_uint8(made.image[:asked]).cpu()

    @torch.no_grad()
    def look_at(self, file: Path) -> Original:
        """Tokenize a picture.

        Raises:
            ValueError: Its tokens are not as many as the network samples.
        """
        image = read_image(file)
        for transform in self.dataset.transforms:
            image = transform(image, np.random.default_rng(0))
        one = torch.zeros(1, dtype=torch.int64)
        batch = Batch(image[None], category=one, index=one, ids=[file.name])
        tokens = self.model.tokens(batch.to(self.strategy.device))
        again = self.model.render(tokens).image
        return Original(
            name=file.stem,
            image=image,
            reconstruction=images.to_uint8(again)[0].cpu(),
            tokens=tokens[0].cpu(),
        )

    def condition(self, draws: Sequence[Draw]) -> Tensor:
        """Embed the classes of draws, mixed where there are two, (b, dim)."""
        device = self.strategy.device
        own = [draw.category for draw in draws]
        other = [d.category if d.towards is None else d.towards for d in draws]
        first, second = (
            self.model.condition(torch.tensor(part, device=device))
            for part in (own, other)
        )
        share = torch.tensor([[draw.share] for draw in draws]).to(first)
        return torch.lerp(first, second, share)

    def _left(self, draws: Sequence[Draw], folder: Path) -> list[Draw]:
        """Return what is still to be sampled, the same on every rank."""
        if dry_run.enabled():
            return [*draws]
        mine = draws[distributed.rank() :: distributed.world_size()]
        good = [
            draw.name
            for draw in mine
            if pictures.is_good(pictures.path_of(folder, draw.name))
        ]
        done = {name for part in distributed.gather(good) for name in part}
        return [draw for draw in draws if draw.name not in done]

    @property
    def _share(self) -> int:
        """Images a batch of one rank."""
        share: int = self.dataloader['batch_size'] // distributed.world_size()
        return max(1, share)

    def _batches(self, left: Sequence[Draw]) -> Iterator[list[Draw]]:
        """Yield this rank's batches of what is left."""
        sampler = BlockSampler(
            len(left),
            batch_size=self.dataloader['batch_size'],
            block_size=self._share,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        )
        for keys in sampler:
            yield [left[key.index] for key in keys]


def _images(number: float) -> str:
    return f'{number:,.0f} images' if number >= 10 else f'{number:.2g} images'
