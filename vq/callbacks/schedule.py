"""Schedules of numbers inside a model: temperatures that fall, weights that rise."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from vq.callbacks.base import Callback
from vq.registry import CALLBACKS
from vq.types import Batch

if TYPE_CHECKING:
    from vq.runners.base import Runner
    from vq.runners.trainer import Trainer

Shape = Literal['cosine', 'linear', 'exponential']
SHAPES = ('cosine', 'linear', 'exponential')


@CALLBACKS.register_module()
class AnnealCallback(Callback):
    """Moves a number of the model from one value to another in the course of training.

    By default the temperature of a `GumbelQuantizer` as in DALL-E
    (https://arxiv.org/abs/2102.12092): from 1 to 1/16 along half a cosine. It is a
    function of the iteration alone, so that a resumed run goes on exactly. The log has
    it as `anneal/NAME`, NAME being the last part of the attribute. A model built anew,
    for validation, has the value of its config.

    Args:
        attribute: Dotted path of the number from the model on, such as
            'tokenizer.quantizer.temperature'; a module's attribute, or its buffer of
            one element.
        start: Value at first.
        end: Value at last.
        begin: Completed iterations up to which it stays at `start`.
        iters: Iterations from `start` to `end`; floats such as 15e4 are fine. It stays
            at `end` afterwards.
        shape: 'cosine', 'linear', or 'exponential' for a constant factor an iteration.

    Raises:
        ValueError: The shape is unknown or, being exponential, cannot join the two
            values; there are too few iterations.
    """

    def __init__(
        self,
        *,
        iters: float,
        attribute: str = 'tokenizer.quantizer.temperature',
        start: float = 1.0,
        end: float = 1 / 16,
        begin: float = 0,
        shape: Shape = 'cosine',
    ) -> None:
        if shape not in SHAPES:
            known = ', '.join(repr(name) for name in SHAPES)
            raise ValueError(f'shape must be one of {known}, got {shape!r}')
        if shape == 'exponential' and start * end <= 0:
            raise ValueError(
                f'no factor leads from start={start} to end={end}: for an exponential '
                'both must be above or both below 0'
            )
        if iters < 1 or begin < 0:
            raise ValueError(
                f'iters must be >= 1 and begin >= 0, got {iters} and {begin}'
            )
        self.attribute = attribute
        self.start = start
        self.end = end
        self.begin = int(begin)
        self.iters = int(iters)
        self.shape = shape

    def value(self, iteration: int) -> float:
        """Return the value that holds in the iteration after so many completed ones."""
        way = min(max((iteration - self.begin) / self.iters, 0.0), 1.0)
        if way in (0.0, 1.0):  # exactly, whatever is rounded off below
            return self.end if way else self.start
        if self.shape == 'exponential':
            return self.start * math.pow(self.end / self.start, way)
        share = (1 - math.cos(math.pi * way)) / 2 if self.shape == 'cosine' else way
        return self.start + (self.end - self.start) * share

    def before_run(self, runner: Runner) -> None:
        """Look whether the model has that number.

        Raises:
            ValueError: It has none of that name, or it is no number.
        """
        _find(runner.model, self.attribute)

    def before_train_iter(self, runner: Trainer, batch: Batch) -> None:
        """Set the number to what it shall be in this iteration."""
        module, name = _find(runner.model, self.attribute)
        value, old = self.value(runner.iteration), getattr(module, name)
        if isinstance(old, Tensor):
            old.fill_(value)
        else:
            setattr(module, name, value)

    def after_train_iter(
        self, runner: Trainer, batch: Batch, logs: dict[str, Tensor]
    ) -> None:
        """Log what it was in this iteration, which is completed by now."""
        name = self.attribute.rpartition('.')[2]
        value = self.value(runner.iteration - 1)
        logs[f'anneal/{name}'] = torch.full((), value, device=runner.strategy.device)


def _find(model: nn.Module, attribute: str) -> tuple[nn.Module, str]:
    """Return the module that has the number, and the number's name in it."""
    path, _, name = attribute.rpartition('.')
    modules = dict(model.named_modules())
    if path not in modules or name not in _numbers(modules[path]):
        known = [
            f'{prefix}.{number}' if prefix else number
            for prefix, module in modules.items()
            for number in _numbers(module)
        ]
        near = difflib.get_close_matches(attribute, known, n=3)
        near = near or [other for other in known if other.endswith(f'.{name}')][:3]
        hint = f'did you mean {" or ".join(near)}?' if near else f'it has {known[:20]}'
        raise ValueError(f'the model has no number {attribute!r}; {hint}')
    return modules[path], name


def _numbers(module: nn.Module) -> list[str]:
    """Return the names of a module's own numbers."""
    buffers = dict(module.named_buffers(recurse=False))
    values = {**vars(module), **{k: v for k, v in buffers.items() if v.numel() == 1}}
    return [
        name
        for name, value in values.items()
        if not name.startswith('_')
        and (
            (isinstance(value, int | float) and not isinstance(value, bool))
            or (isinstance(value, Tensor) and value.is_floating_point())
        )
    ]
