"""Optimizers and learning-rate schedules: torch's under their own names, and ours."""

import inspect
from types import ModuleType

from torch import optim

from vq.optimizers.lars import LARS
from vq.registry import OPTIMIZERS, SCHEDULERS, Registry

__all__ = ['LARS']


def _register(registry: Registry, module: ModuleType, base: type) -> None:
    """Register what `module` has of the kind `base`, but not `base` itself."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and issubclass(value, base) and value is not base:
            registry.register_module(name=name, module=value)


_register(OPTIMIZERS, optim, optim.Optimizer)
_register(SCHEDULERS, optim.lr_scheduler, optim.lr_scheduler.LRScheduler)
