"""Learning-rate schedules: torch's own, from config, stepped once an iteration."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from vq import distributed
from vq.logs import VALIDATED
from vq.registry import SCHEDULERS

Spec = Mapping[str, Any]


class Schedule:
    """One optimizer's learning-rate schedule.

    Args:
        optimizer: The optimizer.
        spec: `type` (a class of torch.optim.lr_scheduler; all counts in iterations) and
            its arguments; `SequentialLR` takes `schedulers`, a list of specs, and
            `milestones`. `ReduceLROnPlateau` takes also `monitor`, the name of a logged
            loss, and `interval`, over how many iterations that is averaged (1,000); or
            the name of what a validation finds, such as `val/l1`, and `interval` then
            counts validations (1). None keeps the rate constant.
    """

    def __init__(self, optimizer: Optimizer, spec: Spec | None) -> None:
        self._optimizer = optimizer
        self._spec = dict(spec or {})
        self._monitor = self._spec.pop('monitor', 'total')
        default = 1 if self._monitor.startswith(VALIDATED) else 1000
        self._interval = self._spec.pop('interval', default)
        self._rates = [group['lr'] for group in optimizer.param_groups]
        self._start()
        self._plateau = isinstance(self._scheduler, lr_scheduler.ReduceLROnPlateau)

    @property
    def awaited(self) -> str | None:
        """The name of what a validation shall find, if the rate follows that."""
        follows = self._plateau and self._monitor.startswith(VALIDATED)
        return self._monitor if follows else None

    def _start(self) -> None:
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group['lr'] = rate
        self._scheduler: Any = (
            build(self._optimizer, self._spec) if self._spec else None
        )
        self._steps = 0
        self._values: list[torch.Tensor] = []

    def step(self, logs: Mapping[str, torch.Tensor], *, updated: bool = True) -> None:
        """Go on by one iteration.

        Args:
            logs: The iteration's logged losses.
            updated: Whether the optimizer moved; else a monitored loss may be missing.

        Raises:
            ValueError: The monitored loss is not logged.
        """
        self._steps += 1
        if self._plateau and self.awaited is None:
            self._watch(logs, updated)
        elif self._scheduler is not None and not self._plateau:
            self._move()

    def tell(self, found: Mapping[str, torch.Tensor]) -> None:
        """Move the rate by what a validation has found, if it follows that.

        Raises:
            ValueError: The validation does not measure it.
        """
        if self.awaited is not None:
            self._watch(found, True)

    def _move(self, times: int = 1) -> None:
        with warnings.catch_warnings():
            # A discriminator's rate moves before its first update; torch warns.
            warnings.filterwarnings('ignore', message='.*lr_scheduler.step.*')
            for _ in range(times):
                self._scheduler.step()

    def _watch(self, logs: Mapping[str, torch.Tensor], updated: bool) -> None:
        if self._monitor in logs:
            self._values.append(logs[self._monitor].detach())
        elif updated:
            what = 'loss' if self.awaited is None else 'metric'
            raise ValueError(
                f'no {what} is called {self._monitor!r}; there are {list(logs)}'
            )
        if len(self._values) == self._interval:
            # Over all ranks: their rates must not part.
            self._scheduler.step(
                float(distributed.mean(torch.stack(self._values).mean()))
            )
            self._values.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs."""
        state: dict[str, Any] = dict(steps=self._steps)
        groups = self._optimizer.param_groups
        if self._plateau:
            counts = self._scheduler.state_dict()
            state['plateau'] = {k: counts[k] for k in PLATEAU}
            state['values'] = [float(value) for value in self._values]
            state['rates'] = [
                (start, group['lr'])
                for start, group in zip(self._rates, groups, strict=True)
            ]
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        How far it is comes from the state, all else from the config: with another `lr`
        or a longer `T_max` the rates are those of a run that had them from the start.
        """
        self._start()
        self._steps = state['steps']
        if self._plateau and 'plateau' in state:
            self._scheduler.load_state_dict(dict(state['plateau']))
            self._values = [torch.tensor(value) for value in state['values']]
            for group, (start, rate) in zip(
                self._optimizer.param_groups, state['rates'], strict=True
            ):
                group['lr'] = rate * (group['lr'] / start)
        elif self._scheduler is not None and not self._plateau:
            self._move(self._steps)


# What ReduceLROnPlateau has seen; the rest of its state is its arguments.
PLATEAU = ('best', 'cooldown_counter', 'num_bad_epochs', 'last_epoch')


def build(optimizer: Optimizer, spec: Spec) -> Any:
    """Build a scheduler, and those inside it.

    Raises:
        KeyError: There is no such class; the nearest names are listed.
    """
    arguments = dict(spec)
    if 'schedulers' in arguments:
        inner = [build(optimizer, item) for item in arguments['schedulers']]
        arguments['schedulers'] = inner
    return SCHEDULERS.build(arguments, optimizer=optimizer)
