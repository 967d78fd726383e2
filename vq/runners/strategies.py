"""Strategies: on which device, in which precision and over how many ranks."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from vq import distributed
from vq.registry import STRATEGIES
from vq.types import Loss

_logger = logging.getLogger(__name__)
# A quantizer may write to its codebook, which is lost in a gathered copy; penalties
# differentiate a discriminator twice, which FSDP cannot.
WHOLE = ('quantizer', 'discriminator')
PRECISIONS = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class Phase(nn.Module):
    """The part of a training step that moves one optimizer's parameters.

    Calling it runs a loss function of the model. It is a module so that torch's DDP can
    wrap it: DDP then averages the gradients of just these parameters, once a backward
    pass, however many phases an iteration has.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self.moved = nn.ParameterList(parameters)

    def forward(self, loss: Callable[..., Loss], *args: Any) -> Loss:
        """Return `loss(*args)`."""
        return loss(*args)

    def no_sync(self) -> AbstractContextManager[None]:
        """Match DDP's interface; there is nothing to hold back."""
        return contextlib.nullcontext()


@STRATEGIES.register_module()
class DDPStrategy:
    """Every rank holds the model; torch's DistributedDataParallel averages gradients.

    On one rank without a process group it is a plain run.

    Args:
        autocast: 'bf16', 'fp16' (GPU, with gradient scaling), 'auto' (the better one
            that the device has) or None for float32.
        channels_last: Lay convolutions out as NHWC, faster on most devices.
        compile: Compile the model's parts with torch.compile.
        tf32: Allow TensorFloat-32 in float32 products on GPUs.
        deterministic: Use deterministic kernels only (GPU; slower).
    """

    def __init__(
        self,
        *,
        autocast: str | None = None,
        channels_last: bool = False,
        compile: bool = False,
        tf32: bool = True,
        deterministic: bool = False,
    ) -> None:
        self.device = distributed.device()
        self.precision = self._precision(autocast)
        self.channels_last = channels_last
        self.compile = compile
        self.tf32 = tf32
        self.deterministic = deterministic
        self.take_over()

    def take_over(self) -> None:
        """Make the options hold that torch has once a process."""
        if self.device.type == 'cuda':
            torch.set_float32_matmul_precision('high' if self.tf32 else 'highest')
            torch.backends.cudnn.allow_tf32 = self.tf32
        torch.use_deterministic_algorithms(self.deterministic, warn_only=True)
        torch.backends.cudnn.benchmark = not self.deterministic

    def _precision(self, autocast: str | None) -> torch.dtype | None:
        cuda = self.device.type == 'cuda'
        if autocast == 'auto':
            bf16 = not cuda or torch.cuda.is_bf16_supported()
            autocast = 'bf16' if bf16 else 'fp16'
        if autocast is not None and autocast not in PRECISIONS:
            raise ValueError(
                f"autocast must be 'bf16', 'fp16', 'auto' or None, got {autocast!r}"
            )
        if autocast == 'fp16' and not cuda:
            raise ValueError("autocast='fp16' needs a GPU; on the CPU use 'bf16'")
        return PRECISIONS[autocast] if autocast else None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context that forward passes run in."""
        if self.precision is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def scaler(self) -> GradScaler:
        """Return the gradient scaler of one optimizer; it does nothing but in fp16."""
        return GradScaler(self.device.type, enabled=self.precision == torch.float16)

    def place(self, model: nn.Module, *, training: bool) -> None:
        """Move the model to the device and lay it out, in place."""
        model.to(self.device)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.compile:
            from torch._functorch import config as functorch  # torch's own, may move

            # An adaptive weight goes backward through the decoder, too.
            functorch.donated_buffer = False
            for _, part in parts(model):
                part.compile()

    def phase(self, parameters: Sequence[nn.Parameter]) -> nn.Module:
        """Return what runs losses so that `parameters` get averaged gradients."""
        phase = Phase(parameters)
        if distributed.world_size() == 1:
            return phase
        # Otherwise DDP lays its buckets out anew after the first backward pass, and on
        # three ranks or more a resumed run would add in another order than one that was
        # not interrupted. Looking for unused parameters costs no time to speak of, and
        # finding this one keeps DDP from advising against the look.
        phase.unused = nn.Parameter(torch.zeros((), device=self.device))
        return DistributedDataParallel(
            phase, find_unused_parameters=True, gradient_as_bucket_view=True
        )

    def finish_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average whatever the phase left unaveraged; DDP leaves nothing."""

    def gathered(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which all weights are whole on every rank.

        There the model may do, without gradients, what is no forward pass of its parts,
        such as sampling. Every rank must do the same within, if with other images.
        """
        return contextlib.nullcontext()

    def model_state(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the whole model's state dict, on rank 0; every rank takes part."""
        return {k: distributed.whole(v) for k, v in model.state_dict().items()}

    def load_model_state(
        self, model: nn.Module, state: Mapping[str, Tensor], *, strict: bool = True
    ) -> None:
        """Load a whole model's state dict, or, not `strict`, a part of it."""
        own = model.state_dict()
        fitted = {k: distributed.like(v, own.get(k, v)) for k, v in state.items()}
        model.load_state_dict(fitted, strict=strict)


@STRATEGIES.register_module()
class FSDPStrategy(DDPStrategy):
    """Weights, gradients and optimizer states of large parts are sharded (FSDP2).

    A part (encoder, decoder ...) with at least `min_parameters` is sharded with torch's
    `fully_shard`; a transformer block by block, so that only few of them are whole at
    a time. What is smaller, or frozen in part, and quantizer and discriminator
    of any size, stay whole on every rank, and their gradients are averaged after the
    backward pass.
    Validation never shards: every rank walks at its own pace.

    Args:
        min_parameters: Parts smaller than this stay whole.
        options: As DDPStrategy's.
    """

    def __init__(
        self,
        *,
        min_parameters: int = 100_000,
        autocast: str | None = None,
        channels_last: bool = False,
        compile: bool = False,
        tf32: bool = True,
        deterministic: bool = False,
    ) -> None:
        super().__init__(
            autocast=autocast,
            channels_last=channels_last,
            compile=compile,
            tf32=tf32,
            deterministic=deterministic,
        )
        self.min_parameters = min_parameters
        if self.precision == torch.float16:
            raise ValueError(
                'FSDPStrategy does not scale the gradients of fp16; '
                "use autocast='bf16' or None"
            )

    def place(self, model: nn.Module, *, training: bool) -> None:
        """Move the model to the device and shard its large parts, in place."""
        super().place(model, training=training)
        if not training or distributed.world_size() == 1:
            return
        sharded = 0
        for name, part in parts(model):
            large = sum(p.numel() for p in part.parameters()) >= self.min_parameters
            trained = all(p.requires_grad for p in part.parameters())
            if large and trained and name not in WHOLE:
                for block in blocks(part):
                    fully_shard(block)
                fully_shard(part)
                sharded += 1
        if not sharded:
            raise ValueError(
                f'FSDPStrategy found no part with {self.min_parameters} parameters or '
                'more to shard; use DDPStrategy'
            )
        _logger.info('FSDP: %d parts are sharded', sharded)

    @contextlib.contextmanager
    def gathered(self, model: nn.Module) -> Iterator[None]:
        """Gather all weights at once, rather than at each pass; then let them go."""
        sharded = [m for m in model.modules() if isinstance(m, FSDPModule)]
        for module in sharded:
            module.unshard()
            module.set_reshard_after_forward(False, recurse=False)
        try:
            yield
        finally:
            inner = {b for _, part in parts(model) for b in blocks(part)}
            for module in sharded:
                module.set_reshard_after_forward(module in inner, recurse=False)
                module.reshard()

    def phase(self, parameters: Sequence[nn.Parameter]) -> nn.Module:
        """Return a plain phase: sharded parts average their own gradients."""
        return Phase(())

    def finish_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average the gradients of the parameters that are whole on every rank."""
        if distributed.world_size() == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None and not isinstance(parameter, DTensor):
                dist.all_reduce(parameter.grad)
                parameter.grad /= distributed.world_size()


def parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield what a system is put together from, by name: encoder, decoder ...

    These are its children and, in place of a tokenizer, the tokenizer's children;
    frozen ones are left out.
    """
    for name, child in model.named_children():
        if name == 'tokenizer':
            yield from parts(child)
        elif any(p.requires_grad for p in child.parameters()):
            yield name, child


def blocks(part: nn.Module) -> list[nn.Module]:
    """Return the blocks of a part that is or has a transformer; else none."""
    found = [getattr(module, 'blocks', None) for module in (part, *part.children())]
    return [block for one in found if isinstance(one, nn.ModuleList) for block in one]
