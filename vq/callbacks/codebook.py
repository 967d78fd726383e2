"""The guard against collapse: it knows how every codebook is used, and acts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from vq import distributed, images
from vq.callbacks.codebook_leaf import Leaf
from vq.callbacks.codebook_pictures import Portrait, draw
from vq.callbacks.codebook_watch import CodebookWatch, Window
from vq.callbacks.replacing import check_replaceable, reseed, revive, seed_of
from vq.callbacks.supervisors import Supervisor
from vq.models.quantizers import VectorQuantizer
from vq.models.quantizers.usage import codebook_statistics
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)
OnCollapse = Literal['warn', 'revive', 'reseed', 'stop']


class CollapseError(RuntimeError):
    """A codebook has collapsed, and the config says to stop then."""


@CALLBACKS.register_module()
class CodebookCallback(Supervisor):
    """Counts the codes that training uses, logs it, draws it, and acts on a collapse.

    Of each window, over all tokens of all ranks:

        codebook/usage               share of the codes that were chosen
        codebook/perplexity          how many equally frequent ones would be as even
        codebook/quantization_error  mean squared distance between latents and their
                                     codes, summed over channels
        codebook/norm_spread         standard deviation of the codes' lengths over their
                                     mean, before any are put on the unit sphere
        codebook/age                 mean over codes of the time since each was chosen,
                                     in passes over the data set
        codebook/dead                share of the codes older than `dead_age`

    A model may hold any number of codebooks, see `CodebookWatch`; of several,
    `codebook_<i>/...` are the single ones' and `codebook/...` their means. Pictures of
    how the codes are used are in codebook/<iteration>.png and in the log's backends.

    A codebook has collapsed when it was used less than `min_usage` in each of
    `patience` windows. That is always told, with what helps its family, and then:

        'warn'    nothing more is done
        'revive'  unused codes are replaced by random latents of this iteration
        'reseed'  all codes are replaced by centres of this iteration's latents
        'stop'    a checkpoint is saved, and the run ends with a `CollapseError`

    Every rank checks, too, that its codebooks are those of the others.

    Args:
        interval: Iterations of a window.
        min_usage: Share of the codes; in a window of fewer tokens than codes, of the
            tokens.
        patience: Windows; a collapse is told after each so many bad ones in a row.
        on_collapse: What is done then.
        dead_age: Passes over the data set; see above.
        picture_every: Windows from one picture to the next; 0 draws none.

    Raises:
        ValueError: An argument is unknown or out of range.
    """

    def __init__(
        self,
        *,
        interval: int = 500,
        min_usage: float = 0.1,
        patience: int = 4,
        on_collapse: OnCollapse = 'warn',
        dead_age: float = 0.1,
        picture_every: int = 10,
    ) -> None:
        super().__init__(interval=interval, patience=patience)
        if on_collapse not in get_args(OnCollapse):
            known = ', '.join(repr(name) for name in get_args(OnCollapse))
            raise ValueError(f'on_collapse must be one of {known}, got {on_collapse!r}')
        self.min_usage = min_usage
        self.on_collapse = on_collapse
        self.dead_age = dead_age
        self.picture_every = picture_every
        self.watch = CodebookWatch()
        self._windows: list[Window] = []  # of this iteration
        self._collapse: str | None = None

    def before_run(self, runner: Runner) -> None:
        """Begin to watch the quantizers.

        Raises:
            ValueError: There is none, or its codes cannot be replaced as
                `on_collapse` asks.
        """
        self.watch.open(
            runner.model,
            batch_size=runner.dataloader['batch_size'],
            device=runner.strategy.device,
        )
        if not self.watch.leaves:
            raise ValueError(
                'CodebookCallback needs a model with a quantizer whose codes can be '
                'counted; drop it by train_callbacks = dict(codebook=None)'
            )
        for leaf in self.watch.leaves:
            if self.on_collapse in ('revive', 'reseed'):
                way_out = f"use on_collapse='warn' instead of {self.on_collapse!r}"
                check_replaceable(leaf, way_out=way_out)
        if len(self._names()) > 1:
            for name, (leaf, group) in self._names().items():
                size = leaf.quantizer.token_sizes[group]
                _logger.info('%s: %d codes of %s', name, size, leaf)

    def before_train_iter(self, runner: Trainer, batch: Batch) -> None:
        """Keep latents if they may be needed; stop if a collapse asks for it.

        Raises:
            CollapseError: It does.
        """
        # Here, not where it was found: all callbacks have ended that iteration now.
        if self._collapse is not None:
            folder = runner.save()
            raise CollapseError(f'{self._collapse}. Saved {folder}')
        ends = (runner.iteration + 1) % self.interval == 0
        self.watch.hold(ends and self.on_collapse in ('revive', 'reseed'))

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """At the end of a window, log and judge it."""
        super().after_train_iter(runner, batch, logs)
        self.watch.advance()
        self._windows = []

    def after_run(self, runner: Runner) -> None:
        """Leave the quantizers alone."""
        self.watch.close()

    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> dict[str, str]:
        """Log the window of each codebook, and tell which were used too little.

        Raises:
            CodebookDriftError: The ranks hold different codebooks.
        """
        self._windows = self.watch.end_window(runner.iteration)
        names = list(self._names())
        figures, portraits, troubles = {}, [], {}
        for name, window in zip(names, self._windows, strict=True):
            if not window.counts.any():
                continue
            figures[name] = self._figures(window, len(runner.dataset))
            portraits.append(_portrait(name, window, figures[name], runner))
            trouble = self._trouble(window, figures[name])
            if trouble is not None:
                troubles[name] = trouble
        device = runner.strategy.device
        for key, value in _scalars(figures).items():
            logs[key] = torch.tensor(value, device=device)
        if self._draws(runner) and portraits and distributed.is_main():
            sheet = draw(portraits)
            path = runner.work_dir / 'codebook' / f'{runner.iteration}.png'
            images.save_png(sheet, path)
            if runner.visualizer is not None:
                runner.visualizer.image('train/codebook', sheet, runner.iteration)
        return troubles

    def act(self, runner: Trainer, key: str, logs: dict[str, Tensor]) -> None:
        """Do what the config says about a collapsed codebook."""
        if self.on_collapse == 'stop':
            self._collapse = (
                f'{key} was used too little for {self.patience} windows of '
                f"{self.interval} iterations, and on_collapse='stop'"
            )
        if self.on_collapse not in ('revive', 'reseed'):
            return
        number = list(self._names()).index(key)
        window, leaf = self._windows[number], self._windows[number].leaf
        seed = seed_of(runner.iteration, number)
        if self.on_collapse == 'revive':
            # Of codes that this window has not seen, the oldest first.
            ages = torch.where(window.counts[:-1] == 0, window.ages, -1)
            unseen = Window(leaf, 0, window.counts, ages, window.error)
            size = leaf.quantizer.codebook_size
            done = revive(runner, leaf, unseen, limit=0, number=size, seed=seed)
        else:
            done = reseed(runner, leaf, window, seed=seed)
        _logger.warning('%s: %d codes were replaced (%s)', key, done, self.on_collapse)

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's counts of the window, too."""
        return super().state_dict() | dict(watch=self.watch.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load_state_dict(state)
        self.watch.load_state_dict(state['watch'])

    def _draws(self, runner: Trainer) -> bool:
        every = self.picture_every * self.interval
        return every > 0 and runner.iteration % every == 0

    def _names(self) -> dict[str, tuple[Leaf, int]]:
        """Return each codebook by the group of its scalars' names."""
        codebooks = [(x, g) for x in self.watch.leaves for g in range(len(x.counts))]
        if len(codebooks) == 1:
            return dict(codebook=codebooks[0])
        return {f'codebook_{i}': codebook for i, codebook in enumerate(codebooks)}

    def _figures(self, window: Window, length: int) -> dict[str, float]:
        """Return a codebook's scalars; `length` is the data set's."""
        figures = codebook_statistics(window.counts)
        del figures['entropy']
        if window.error is not None:
            figures['quantization_error'] = window.error
        if isinstance(window.leaf.quantizer, VectorQuantizer):
            lengths = window.leaf.quantizer.codes().detach().norm(dim=-1)
            mean = lengths.mean().clamp(min=torch.finfo(lengths.dtype).tiny)
            figures['norm_spread'] = float(lengths.std(correction=0) / mean)
        ages = window.ages.double() / length
        figures['age'] = float(ages.mean())
        figures['dead'] = float((ages > self.dead_age).double().mean())
        return figures

    def _trouble(self, window: Window, figures: Mapping[str, float]) -> str | None:
        size = len(window.counts) - 1
        used = round(figures['usage'] * size)
        if used >= self.min_usage * min(size, int(window.counts.sum())):
            return None
        return (
            f'only {used} of {size} codes ({used / size:.2%}) of {window.leaf} were '
            f'used in the last {self.interval} iterations, as unevenly as '
            f'{figures["perplexity"]:.1f} equally frequent ones: the codebook '
            f'collapses. What helps: {window.leaf.quantizer.advice}'
        )


def _scalars(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return what is logged of all codebooks: their means and, of several, each."""
    values: dict[str, list[float]] = {}
    scalars = {}
    for name, own in figures.items():
        for key, value in own.items():
            values.setdefault(f'codebook/{key}', []).append(value)
            scalars[f'{name}/{key}'] = value
    return {key: sum(v) / len(v) for key, v in values.items()} | scalars


def _portrait(
    name: str, window: Window, figures: Mapping[str, float], runner: Trainer
) -> Portrait:
    title = (
        f'{name}: {window.leaf}   iteration {runner.iteration}   '
        f'K = {len(window.counts) - 1}   usage {figures["usage"]:.1%}   '
        f'perplexity {figures["perplexity"]:.1f}'
    )
    ages = window.ages.double() / len(runner.dataset)
    return Portrait(title=title, counts=window.counts[:-1], ages=ages)
