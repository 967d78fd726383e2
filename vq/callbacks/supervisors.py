"""Supervisors: they watch a GAN and its codebook, and say so when one goes wrong."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vq import distributed
from vq.callbacks.base import Callback
from vq.models.quantizers import Quantizer
from vq.models.quantizers.usage import codebook_statistics, count_tokens, no_counts
from vq.registry import CALLBACKS
from vq.types import Batch, Quantized

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

_logger = logging.getLogger(__name__)


class Supervisor(Callback):
    """Judges each window of iterations, and warns of bad ones in a row.

    Args:
        interval: Iterations of a window.
        patience: Windows; a warning comes after each so many bad ones in a row.
    """

    def __init__(self, *, interval: int, patience: int) -> None:
        if interval < 1 or patience < 1:
            raise ValueError(
                f'interval and patience must be >= 1, got {interval} and {patience}'
            )
        self.interval = interval
        self.patience = patience
        self._bad = 0

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """Look on; at the end of a window, judge it."""
        self.look(logs)
        if runner.iteration % self.interval:
            return
        trouble = self.judge(runner, logs)
        self._bad = 0 if trouble is None else self._bad + 1
        if trouble and self._bad % self.patience == 0:
            _logger.warning(
                'at iteration %d, and for %d iterations before: %s',
                runner.iteration,
                self._bad * self.interval,
                trouble,
            )

    def look(self, logs: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take in one iteration's scalars."""

    @abstractmethod
    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> str | None:
        """End a window on all ranks: add to `logs`, return what is wrong and helps."""

    def state_dict(self) -> dict[str, Any]:
        """Return how many windows in a row were bad."""
        return dict(bad=self._bad)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._bad = state['bad']


@CALLBACKS.register_module()
class CodebookCallback(Supervisor):
    """Counts the codes that training uses, logs them, and warns of a collapse.

    `codebook/usage` and `codebook/perplexity` are over all tokens of a window on all
    ranks. It needs a model with one `Quantizer`, and watches it from outside.

    Args:
        interval: Iterations of a window.
        min_usage: Share of the codes; in a window of fewer tokens than codes, of the
            tokens.
        patience: Windows; a warning comes after each so many bad ones in a row.
    """

    def __init__(
        self, *, interval: int = 500, min_usage: float = 0.1, patience: int = 4
    ) -> None:
        super().__init__(interval=interval, patience=patience)
        self.min_usage = min_usage
        self._counts: Tensor | None = None
        self._hook: RemovableHandle | None = None

    def before_run(self, runner: Runner) -> None:
        """Begin to watch the quantizer."""
        quantizers = [m for m in runner.model.modules() if isinstance(m, Quantizer)]
        if len(quantizers) != 1:
            raise ValueError(
                f'CodebookCallback needs a model with one quantizer, got '
                f'{len(quantizers)}; drop it by train_callbacks = dict(codebook=None)'
            )
        size, device = quantizers[0].codebook_size, runner.strategy.device
        resumed = self._counts is not None and len(self._counts) == size + 1
        counts = self._counts if resumed else no_counts(size, device)
        assert counts is not None
        self._counts = counts.to(device)
        self._hook = quantizers[0].register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs: object, output: Quantized) -> None:
        if module.training and self._counts is not None:
            count_tokens(output.tokens, self._counts)

    def after_run(self, runner: Runner) -> None:
        """Leave the quantizer alone."""
        if self._hook is not None:
            self._hook.remove()

    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> str | None:
        """Log the window's usage, and start to count anew."""
        assert self._counts is not None
        counts = distributed.sum_(self._counts)
        self._counts = torch.zeros_like(self._counts)
        if not counts.any():
            return None
        statistics = codebook_statistics(counts)
        for name in ('usage', 'perplexity'):
            value = torch.tensor(statistics[name], device=counts.device)
            logs[f'codebook/{name}'] = value
        size = len(counts) - 1
        used = round(statistics['usage'] * size)
        possible = min(size, int(counts.sum()))
        if used >= self.min_usage * possible:
            return None
        return (
            f'only {used} of {size} codes ({used / size:.2%}) were used in the last '
            f'{self.interval} iterations: the codebook collapses. What helps: few '
            'dimensions on the unit sphere (quantizer dim 8 with normalize=True), a '
            'larger batch, a lower learning rate of the generator'
        )

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's counts of the window, too."""
        counts = None if self._counts is None else self._counts.cpu()
        return super().state_dict() | dict(counts=counts)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load_state_dict(state)
        self._counts = state['counts']


@CALLBACKS.register_module()
class DiscriminatorCallback(Supervisor):
    """Warns when the discriminator has won: nothing fools it any more.

    It reads what the model logs as `accuracy_real` and `accuracy_fake`.

    Args:
        interval: Iterations of a window.
        max_accuracy: Mean accuracy of a window; at more than this, on real images and
            on reconstructions, the discriminator has won.
        patience: Windows; a warning comes after each so many bad ones in a row.
    """

    KEYS = ('accuracy_real', 'accuracy_fake')

    def __init__(
        self, *, interval: int = 500, max_accuracy: float = 0.99, patience: int = 2
    ) -> None:
        super().__init__(interval=interval, patience=patience)
        self.max_accuracy = max_accuracy
        self._sums: Tensor | None = None  # of both accuracies, and of iterations

    def look(self, logs: Mapping[str, Tensor]) -> None:
        """Add up this iteration's accuracies, if the discriminator has learnt in it."""
        if not all(key in logs for key in self.KEYS):
            return
        accuracies = [logs[key].detach().double() for key in self.KEYS]
        row = torch.stack([*accuracies, torch.ones_like(accuracies[0])])
        self._sums = row if self._sums is None else self._sums.to(row.device) + row

    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> str | None:
        """Compare the window's mean accuracies with the limit."""
        sums, self._sums = self._sums, None
        if sums is None:
            return None
        real, fake, number = distributed.mean(sums).tolist()
        real, fake = real / number, fake / number
        if min(real, fake) <= self.max_accuracy:
            return None
        return (
            f'the discriminator tells {real:.1%} of real images and {fake:.1%} of '
            'reconstructions: it has won, and its gradient teaches little but noise. '
            "What helps, from the mildest on: --override '.trainer.model.regularizers:"
            'dict(r1=dict(type="R1Penalty",weight=1e-3,every=16))\', '
            '.trainer.model.discriminator_every:2, a lower '
            '.trainer.optimizers.discriminator.lr, a later '
            '.trainer.model.discriminator_start with .trainer.model.adversarial_ramp'
        )

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's sums of the window, too."""
        sums = None if self._sums is None else self._sums.cpu()
        return super().state_dict() | dict(sums=sums)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load_state_dict(state)
        self._sums = state['sums']
