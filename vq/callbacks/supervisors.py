"""Supervisors: they judge a run window by window, and say so when it goes wrong."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vq import distributed
from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
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
        self._bad: dict[str, int] = {}  # windows in a row, by what is bad

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """Look on; at the end of a window, judge it."""
        self.look(logs)
        if runner.iteration % self.interval:
            return
        troubles = self.judge(runner, logs)
        self._bad = {key: self._bad.get(key, 0) + 1 for key in troubles}
        for key, number in self._bad.items():
            if number % self.patience == 0:
                _logger.warning(
                    'at iteration %d, and for %d iterations before: %s',
                    runner.iteration,
                    number * self.interval,
                    troubles[key],
                )
                self.act(runner, key, logs)

    def look(self, logs: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take in one iteration's scalars."""

    @abstractmethod
    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> dict[str, str]:
        """End a window on all ranks, and add to `logs`.

        Returns:
            What is wrong and helps, by what is bad.
        """

    def act(  # noqa: B027
        self, runner: Trainer, key: str, logs: dict[str, Tensor]
    ) -> None:
        """Do more than warn of what has been bad for so long, on all ranks."""

    def state_dict(self) -> dict[str, Any]:
        """Return for how many windows in a row what was bad."""
        return dict(bad=dict(self._bad))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._bad = dict(state['bad'])


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

    def judge(self, runner: Trainer, logs: dict[str, Tensor]) -> dict[str, str]:
        """Compare the window's mean accuracies with the limit."""
        sums, self._sums = self._sums, None
        if sums is None:
            return {}
        real, fake, number = distributed.mean(sums).tolist()
        real, fake = real / number, fake / number
        if min(real, fake) <= self.max_accuracy:
            return {}
        trouble = (
            f'the discriminator tells {real:.1%} of real images and {fake:.1%} of '
            'reconstructions: it has won, and its gradient teaches little but noise. '
            "What helps, from the mildest on: --override '.trainer.model.regularizers:"
            'dict(r1=dict(type="R1Penalty",weight=1e-3,every=16))\', '
            '.trainer.model.discriminator_every:2, a lower '
            '.trainer.optimizers.discriminator.lr, a later '
            '.trainer.model.discriminator_start with .trainer.model.adversarial_ramp'
        )
        return dict(discriminator=trouble)

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's sums of the window, too."""
        sums = None if self._sums is None else self._sums.cpu()
        return super().state_dict() | dict(sums=sums)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load_state_dict(state)
        self._sums = state['sums']
