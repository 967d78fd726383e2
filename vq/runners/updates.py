"""One optimizer's update: forward under the strategy, backward, guard, step."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from vq import distributed
from vq.registry import OPTIMIZERS
from vq.runners.parameters import groups
from vq.runners.schedules import Schedule
from vq.runners.strategies import DDPStrategy
from vq.types import Loss


class OptimizerUpdate:
    """Moves one optimizer's parameters; what a model's `train_step` calls.

    An iteration may come in several micro-batches (gradient accumulation): the weights
    move at the last. A loss then leaves no gradients in other optimizers' parameters,
    which it freezes while it runs through them.

    An update whose loss or gradient norm is not finite is skipped and counted; the
    counts live on the device, so that nobody waits for it.

    Args:
        name: The optimizer's name in the config.
        spec: `type` (a class of torch.optim or vq.optimizers), `params` (see
            parameters.groups), `clip_grad` (largest gradient norm) and the class's
            arguments.
        schedule: The learning rate's schedule, see schedules.Schedule.
        model: The model whose parameters these are.
        strategy: How the loss functions run.
        accumulate: Micro-batches an iteration.
    """

    def __init__(
        self,
        *,
        name: str,
        spec: Mapping[str, Any],
        schedule: Mapping[str, Any] | None,
        model: nn.Module,
        strategy: DDPStrategy,
        accumulate: int = 1,
    ) -> None:
        arguments = dict(spec)
        type_ = arguments.pop('type')
        self.name = name
        self.clip_grad = arguments.pop('clip_grad', None)
        entries = arguments.pop('params', None) or ['']
        if entries == ['']:
            entries = [dict(regex='')]
        parameter_groups, self.names = groups(model, entries, optimizer=name)
        self.parameters = [p for group in parameter_groups for p in group['params']]
        self.optimizer = build(type_, parameter_groups, arguments, strategy.device)
        self.schedule = Schedule(self.optimizer, schedule)
        self.accumulate = accumulate
        self._strategy = strategy
        self._phase = strategy.phase(self.parameters)
        self._scaler = strategy.scaler()
        self._micro = 0
        self.used = False
        self.gradient_norm = torch.zeros((), device=strategy.device)
        self.skipped = torch.zeros((), dtype=torch.int64, device=strategy.device)
        self.skipped_in_a_row = torch.zeros_like(self.skipped)
        self._bad = torch.zeros((), device=strategy.device)

    @property
    def lr(self) -> float:
        """The first group's learning rate."""
        return float(self.optimizer.param_groups[0]['lr'])

    def __call__(self, loss: Callable[..., Loss], *args: Any) -> Loss:
        """Compute `loss(*args)`, back-propagate its total, and move the weights."""
        if self._micro == 0:
            self.optimizer.zero_grad(set_to_none=True)
            self._bad = torch.zeros_like(self._bad)
        self._micro = (self._micro + 1) % self.accumulate
        last = self._micro == 0
        with contextlib.nullcontext() if last else self._phase.no_sync():  # type: ignore[operator]
            with self._strategy.autocast():
                result: Loss = self._phase(loss, *args)
            self._scaler.scale(result.total / self.accumulate).backward()  # type: ignore[no-untyped-call]
        self._bad += ~torch.isfinite(result.total.detach())
        if last:
            self._strategy.finish_gradients(self.parameters)
            self._step()
        self.used = True
        return result

    def _step(self) -> None:
        self._scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.gradient_norm = total_norm(gradients)
        if self.clip_grad is not None:
            clip(gradients, self.gradient_norm, self.clip_grad)
        bad = self._bad + ~torch.isfinite(self.gradient_norm)
        if distributed.world_size() > 1:
            dist.all_reduce(bad, op=dist.ReduceOp.MAX)
        bad = bad.clamp(max=1)
        self.skipped += bad.long()
        self.skipped_in_a_row = (self.skipped_in_a_row + 1) * bad.long()
        if self._scaler.is_enabled():
            # Its own check sees this rank's gradients alone, and not the loss.
            if not bad.item():
                self._scaler.step(self.optimizer)
            self._scaler.update()
        elif getattr(self.optimizer, '_step_supports_amp_scaling', False):
            # Fused kernels skip on the device: nobody waits for the flag.
            self.optimizer.found_inf = bad  # type: ignore[attr-defined]
            self.optimizer.grad_scale = None  # type: ignore[attr-defined]
            self.optimizer.step()
        elif not bad.item():
            self.optimizer.step()

    def finish_iteration(self, logs: Mapping[str, Tensor]) -> None:
        """Move the learning rate on; schedules count iterations, not updates."""
        self.schedule.step(logs, updated=self.used)
        self.used = False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs: plain tensors and numbers.

        The optimizer's state goes by parameters' names, so that it fits under another
        strategy too. Options such as `lr` or `betas` are the config's alone.
        """
        optimizer = {
            name: {
                key: distributed.whole(value) if isinstance(value, Tensor) else value
                for key, value in self.optimizer.state.get(parameter, {}).items()
            }
            for name, parameter in zip(self.names, self.parameters, strict=True)
        }
        return dict(
            shapes=self._shapes(),
            optimizer=optimizer,
            schedule=self.schedule.state_dict(),
            scaler=self._scaler.state_dict(),
            skipped=int(self.skipped),
            skipped_in_a_row=int(self.skipped_in_a_row),
        )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        parameters = zip(self.names, self.parameters, strict=True)
        return {name: tuple(parameter.shape) for name, parameter in parameters}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: It belongs to other parameters.
        """
        shapes, saved = state['shapes'], state['optimizer']
        other = sorted(set(shapes.items()) ^ set(self._shapes().items()))
        if other:
            raise ValueError(
                f'the saved optimizer {self.name} moves other parameters: {other[:4]}'
            )
        values = {
            i: {key: _copy(value, parameter) for key, value in saved[name].items()}
            for i, (name, parameter) in enumerate(
                zip(self.names, self.parameters, strict=True)
            )
            if saved[name]
        }
        options = self.optimizer.state_dict()['param_groups']
        self.optimizer.load_state_dict(dict(state=values, param_groups=options))
        self.schedule.load_state_dict(state['schedule'])
        self._scaler.load_state_dict(dict(state['scaler']))
        self.skipped.fill_(state['skipped'])
        self.skipped_in_a_row.fill_(state['skipped_in_a_row'])


class Updates(dict[str, OptimizerUpdate]):
    """All optimizers of a run, and how many iterations are completed."""

    iteration: int = 0


def _copy(value: Any, parameter: nn.Parameter) -> Any:
    """Copy one value of an optimizer's state, sharded as its parameter if alike."""
    if not isinstance(value, Tensor):
        return value
    alike = value.dim() > 0 and value.shape == parameter.shape
    return distributed.like(value, parameter) if alike else value.clone()


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the 2-norm of all gradients; whole and sharded ones may be mixed."""
    norms = []
    for sharded in (False, True):
        chosen = [g for g in gradients if isinstance(g, DTensor) is sharded]
        if chosen:
            norm = nn.utils.get_total_norm(chosen)
            norms.append(norm.full_tensor() if isinstance(norm, DTensor) else norm)
    return norms[0] if len(norms) == 1 else nn.utils.get_total_norm(norms)


def clip(gradients: Sequence[Tensor], norm: Tensor, limit: float) -> None:
    """Scale gradients in place so that their norm, now `norm`, is at most `limit`."""
    local = [g.to_local() if isinstance(g, DTensor) else g for g in gradients]
    torch._foreach_mul_(local, (limit / (norm + 1e-6)).clamp(max=1.0))


FUSED = ('Adam', 'AdamW')


def build(
    type_: str,
    parameter_groups: list[dict[str, Any]],
    arguments: dict[str, Any],
    device: torch.device,
) -> Optimizer:
    """Build an optimizer; on GPUs and CPUs Adam and AdamW are fused.

    Raises:
        KeyError: There is no such class; the nearest names are listed.
    """
    if type_ in FUSED and device.type in ('cuda', 'cpu'):
        arguments = dict(fused=True) | arguments
    optimizer: Optimizer = OPTIMIZERS.build(
        dict(type=type_, **arguments), params=parameter_groups
    )
    return optimizer
