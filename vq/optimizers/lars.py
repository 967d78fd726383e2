"""LARS: steps in proportion to each layer's weights (https://arxiv.org/abs/1708.03888)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vq.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class LARS(Optimizer):
    """Momentum whose gradients are first scaled to a share of their weights' length.

    As for linear probes of MAE (https://arxiv.org/abs/2111.06377): a gradient, with
    weight decay, is multiplied by `trust_coefficient * |weight| / |gradient|`.
    Parameters of one axis (biases, norms) get neither this ratio nor weight decay, and
    where a length is zero there is no ratio.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate; it multiplies the momentum, not the gradient.
        momentum: Share of the last step that is kept.
        weight_decay: Factor of the weights in the gradient.
        trust_coefficient: See above.

    Raises:
        ValueError: A number is negative.
    """

    def __init__(
        self,
        params: Any,
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
    ) -> None:
        options = dict(
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            trust_coefficient=trust_coefficient,
        )
        for name, value in options.items():
            if value < 0:
                raise ValueError(f'LARS: {name} must be >= 0, got {value}')
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the parameters that have a gradient; return the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        step = parameter.grad
        assert step is not None
        if parameter.ndim > 1:
            step = step.add(parameter, alpha=group['weight_decay'])
            lengths = parameter.norm(), step.norm()
            ratio = group['trust_coefficient'] * lengths[0] / lengths[1]
            usable = (lengths[0] > 0) & (lengths[1] > 0)
            step = step * torch.where(usable, ratio, torch.ones_like(ratio))
        state = self.state[parameter]
        if not state:
            state['momentum'] = torch.zeros_like(parameter)
        state['momentum'].mul_(group['momentum']).add_(step)
        parameter.add_(state['momentum'], alpha=-group['lr'])
