"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vq import distributed
from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer


@CALLBACKS.register_module()
class EMACallback(Callback):
    """Keeps averaged weights, saved as ema.pth beside model.pth.

    average <- decay * average + (1 - decay) * weight after each iteration; tensors that
    are not floating point, and buffers, are copied. `vq.val --ema` and the other
    commands' `--ema` use them. Frozen parts have no average.

    Args:
        decay: The average's decay an iteration.
        start: Iteration until which the average is a plain copy.
    """

    def __init__(self, *, decay: float = 0.999, start: int = 0) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f'decay must be in [0, 1), got {decay}')
        self.decay = decay
        self.start = start
        self._average: dict[str, Tensor] = {}

    def before_run(self, runner: Runner) -> None:
        """Start from the weights, unless a resume has brought an average."""
        state = runner.own_state()
        resumed = {
            key: value
            for key, value in self._average.items()
            if key in state and value.shape == state[key].shape
        }
        average = state | resumed
        self._average = {
            key: distributed.like(average[key], state[key]) for key in state
        }

    @torch.no_grad()
    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: Mapping[str, Tensor]
    ) -> None:
        """Move the average."""
        state = runner.model.state_dict()
        moved = {key for key, _ in runner.model.named_parameters()}
        copy = runner.iteration <= self.start
        for key, average in self._average.items():
            if key in moved and not copy:
                average.lerp_(state[key], 1 - self.decay)
            else:
                average.copy_(state[key])

    @property
    def average(self) -> Mapping[str, Tensor]:
        """The averaged weights, sharded as the model's are."""
        return self._average

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Return the averaged weights as ema."""
        return {'ema': {k: distributed.whole(v) for k, v in self._average.items()}}

    def load_weights(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take the averaged weights back."""
        self._average = dict(weights.get('ema', {}))
