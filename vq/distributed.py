"""Ranks: start and end of the process group, sums over ranks, one voice for all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

T = TypeVar('T')
TIMEOUT = timedelta(minutes=30)


def is_initialized() -> bool:
    """Tell whether a process group is open."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return this process's rank; 0 without a process group."""
    return dist.get_rank() if is_initialized() else 0


def world_size() -> int:
    """Return the number of ranks; 1 without a process group."""
    return dist.get_world_size() if is_initialized() else 1


def is_main() -> bool:
    """Tell whether this process is rank 0, the one that writes."""
    return rank() == 0


def device() -> torch.device:
    """Return this rank's device: DEVICE if set, else its GPU, else the CPU."""
    name = os.environ.get('DEVICE', 'cuda' if torch.cuda.is_available() else 'cpu')
    if name == 'cuda':
        return torch.device('cuda', int(os.environ.get('LOCAL_RANK', 0)))
    return torch.device(name)


@contextmanager
def process_group() -> Iterator[None]:
    """Open the process group that torchrun's environment describes, then close it.

    Without such an environment (plain `python -m vq.train`) there is one rank and no
    group. On GPUs a gloo group for CPU tensors is opened beside nccl, so that ranks
    can agree on small things without waiting for the device.
    """
    if 'RANK' not in os.environ or is_initialized():
        yield
        return
    backend = 'gloo'
    if device().type == 'cuda':
        torch.cuda.set_device(device())
        backend = 'cpu:gloo,cuda:nccl'
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def sum_(tensor: Tensor) -> Tensor:
    """Return `tensor` summed over ranks; any shape, the input is left as it is."""
    if world_size() == 1:
        return tensor
    total = tensor.detach().clone()
    dist.all_reduce(total)
    return total


def mean(tensor: Tensor) -> Tensor:
    """Return `tensor` averaged over ranks; any shape, the input is left as it is."""
    return sum_(tensor) / world_size() if world_size() > 1 else tensor


def max_(tensor: Tensor) -> Tensor:
    """Return the largest of each element over ranks; the input is left as it is."""
    if world_size() == 1:
        return tensor
    largest = tensor.detach().clone()
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return largest


@torch.no_grad()
def cat(tensor: Tensor) -> Tensor:
    """Return the tensors of all ranks, one behind the other along the first axis.

    Args:
        tensor: Of any length, but on all ranks of one kind: dtype and further axes.
    """
    if world_size() == 1:
        return tensor
    length = torch.tensor([len(tensor)], device=tensor.device)
    lengths = [torch.zeros_like(length) for _ in range(world_size())]
    dist.all_gather(lengths, length)
    sizes = [int(size) for size in lengths]
    # All ranks send equally much: padded, and cut off again.
    padded = tensor.new_zeros(max(sizes), *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor that FSDP has sharded as a whole one, on rank 0 and its CPU.

    The other ranks take part in it and keep their shard; other tensors are left alone.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    full: Tensor = tensor.full_tensor()
    return full.cpu() if is_main() else tensor


def everywhere(tensor: Tensor) -> Tensor:
    """Return a tensor that FSDP has sharded as a whole one, on every rank."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(value: Tensor, example: Tensor) -> Tensor:
    """Return a copy of `value`, on the device of `example` and sharded as it is."""
    if isinstance(example, DTensor) and not isinstance(value, DTensor):
        value = value.to(example.device)
        return distribute_tensor(value, example.device_mesh, example.placements)
    return value.detach().clone().to(example.device)


def any_(flag: bool) -> bool:
    """Tell whether `flag` is set on any rank (a CPU tensor: no wait for the device)."""
    if world_size() == 1:
        return flag
    total = torch.tensor(int(flag))
    dist.all_reduce(total)
    return bool(total)


def from_main(tensor: Tensor) -> Tensor:
    """Return rank 0's `tensor` on every rank, without a wait for the device.

    Args:
        tensor: Of the same shape and dtype on all ranks; the input is left as it is.
    """
    if world_size() == 1:
        return tensor
    copy = tensor.detach().clone()
    dist.broadcast(copy, 0)
    return copy


def broadcast(value: T) -> T:
    """Return rank 0's `value` on every rank; any picklable object."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def gather(value: T) -> list[T]:
    """Return every rank's `value`, in the order of ranks; any picklable object."""
    if world_size() == 1:
        return [value]
    values = [value] * world_size()
    dist.all_gather_object(values, value)
    return values


def barrier() -> None:
    """Wait until every rank is here."""
    if world_size() > 1:
        dist.barrier()
