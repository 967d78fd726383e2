"""Learning-rate schedules: torch's own, stepped once an iteration, built from config."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from vq import distributed

Spec = Mapping[str, Any]


class Schedule:
    """One optimizer's learning-rate schedule.

    Args:
        optimizer: The optimizer.
        spec: `type` (a class of torch.optim.lr_scheduler; all counts in iterations) and
            its arguments; `SequentialLR` takes `schedulers`, a list of specs, and
            `milestones`. `ReduceLROnPlateau` takes also `monitor`, the name of a logged
            loss, and `interval`, over how many iterations that is averaged. None keeps
            the rate constant.
    """

    def __init__(self, optimizer: Optimizer, spec: Spec | None) -> None:
        self._spec = dict(spec or {})
        self._monitor = self._spec.pop('monitor', 'total')
        self._interval = self._spec.pop('interval', 1000)
        self._scheduler = build(optimizer, self._spec) if spec else None
        self._plateau = isinstance(self._scheduler, lr_scheduler.ReduceLROnPlateau)
        self._values: list[torch.Tensor] = []

    def step(self, logs: Mapping[str, torch.Tensor]) -> None:
        """Go on by one iteration, whose logged losses are `logs`."""
        if self._scheduler is None:
            return
        if not self._plateau:
            with warnings.catch_warnings():
                # A discriminator's rate moves before its first update; torch warns.
                warnings.filterwarnings('ignore', message='.*lr_scheduler.step.*')
                self._scheduler.step()
            return
        if self._monitor not in logs:
            raise KeyError(f'no loss is called {self._monitor!r}; there are {list(logs)}')
        self._values.append(logs[self._monitor].detach())
        if len(self._values) == self._interval:
            mean = distributed.mean(torch.stack(self._values).mean())
            self._scheduler.step(float(mean))  # of all ranks: they must agree
            self._values.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs."""
        if self._scheduler is None:
            return {}
        return dict(
            scheduler=_plain(self._scheduler.state_dict()),
            values=[float(value) for value in self._values],
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Positions come from the state, but what the config says (a longer `T_max`, say)
        wins over what it said when the state was saved.
        """
        if self._scheduler is None or not state:
            return
        self._scheduler.load_state_dict(dict(state['scheduler']))
        _apply(self._scheduler, self._spec)
        self._values = [torch.tensor(value) for value in state['values']]


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what `weights_only` can read: numbers, strings and containers of them."""
    kept = (int, float, str, bool, type(None), list, tuple, dict)
    return {
        key: [_plain(v) if isinstance(v, Mapping) else v for v in value]
        if isinstance(value, list)
        else value
        for key, value in state.items()
        if isinstance(value, kept)
    }


def _apply(scheduler: Any, spec: Spec) -> None:
    for key, value in spec.items():
        if key == 'schedulers':
            for inner, inner_spec in zip(scheduler._schedulers, value, strict=True):
                _apply(inner, inner_spec)
        elif key == 'milestones':
            scheduler._milestones = list(value)
        elif key != 'type' and hasattr(scheduler, key):
            setattr(scheduler, key, value)


def build(optimizer: Optimizer, spec: Spec) -> Any:
    """Build a scheduler of torch.optim.lr_scheduler.

    Raises:
        KeyError: There is no such class.
    """
    arguments = dict(spec)
    type_ = arguments.pop('type')
    found = getattr(lr_scheduler, type_, None)
    if found is None:
        raise KeyError(f'torch.optim.lr_scheduler has no {type_!r}')
    if 'schedulers' in arguments:
        inner = [build(optimizer, item) for item in arguments.pop('schedulers')]
        return found(optimizer, schedulers=inner, **arguments)
    return found(optimizer, **arguments)
