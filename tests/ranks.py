"""Run a function on several gloo ranks of this machine, and collect the results."""

import multiprocessing
import os
import pickle
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from torch import distributed as dist

from vq.distributed import process_group

# Ranks are forked from a server that has imported these once: a rank then starts in
# a tenth of a second, and in a clean process, as a spawned one would.
PRELOAD = [
    'torch',
    'torch._dynamo',
    'torch.distributed.fsdp',
    'torch.distributed.tensor',
    'torchvision.transforms.v2',
    'einops',
    'mmengine.registry',
    'mmengine.visualization.vis_backend',
]

GRACE = 2.0  # seconds that other ranks have to tell of the same trouble


def run_ranks(
    function: Callable[..., Any], world_size: int, *args: Any, timeout: float = 120
) -> list[Any]:
    """Call `function(*args)` on `world_size` ranks, inside an open process group.

    Args:
        function: A function at the top level of a module, so that it can be pickled.
        world_size: How many processes; 1 opens a group too.
        args: Picklable arguments, the same for all ranks.
        timeout: Seconds that all of them together may take.

    Returns:
        What each rank returned, in the order of ranks.

    Raises:
        RuntimeError: A rank raised or died; its traceback is the message.
        TimeoutError: Some ranks were still running after `timeout` seconds.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)
    # The store lives here and its port comes from the system: no race for ports.
    store = dist.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
    payload = pickle.dumps((dict(os.environ), function, args))
    pipes = [context.Pipe(duplex=False) for _ in range(world_size)]
    processes = [
        context.Process(
            target=_rank, args=(rank, world_size, store.port, payload, pipe[1])
        )
        for rank, pipe in enumerate(pipes)
    ]
    try:
        for process, (_, sender) in zip(processes, pipes, strict=True):
            process.start()
            sender.close()
        return _collect([receiver for receiver, _ in pipes], time.monotonic() + timeout)
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def _collect(receivers: list[Connection], deadline: float) -> list[Any]:
    results: dict[int, Any] = {}
    errors: list[str] = []
    while len(results) < len(receivers):
        waiting = {r: rank for rank, r in enumerate(receivers) if rank not in results}
        # After an error all who have something to say are heard: one rank's error is
        # often another's broken pipe, and a killed rank's own silence comes later.
        patience = GRACE if errors else max(0, deadline - time.monotonic())
        ready = wait(list(waiting), patience)
        if not ready and not errors:
            raise TimeoutError(f'ranks {list(waiting.values())} are not done in time')
        if not ready:
            break
        for receiver in ready:
            rank = waiting[receiver]
            error, results[rank] = _receive(receiver)
            if error is not None:
                errors.append(f'rank {rank} {error}')
    if errors:
        raise RuntimeError('\n'.join(errors))
    return [results[rank] for rank in range(len(receivers))]


def _receive(receiver: Connection) -> tuple[str | None, Any]:
    try:
        return pickle.loads(receiver.recv_bytes())
    except EOFError:
        return 'died without a word', None


def _rank(
    rank: int, world_size: int, port: int, payload: bytes, sender: Connection
) -> None:
    try:
        environment, function, args = pickle.loads(payload)
        os.environ.clear()
        os.environ |= environment | _environment(rank, world_size, port)
        torch.set_num_threads(1)
        torch.manual_seed(0)
        with process_group():
            # Plain pickle: torch's own would share memory that dies with this process.
            # Sent before the group closes, so that the first error is heard first.
            try:
                result = pickle.dumps((None, function(*args)))
                dist.barrier()  # nobody closes the group while another still uses it
            except BaseException:
                result = pickle.dumps((f'raised:\n{traceback.format_exc()}', None))
            sender.send_bytes(result)
    except BaseException:
        sender.send_bytes(pickle.dumps((f'raised:\n{traceback.format_exc()}', None)))


def _environment(rank: int, world_size: int, port: int) -> dict[str, str]:
    return {
        'RANK': str(rank),
        'LOCAL_RANK': str(rank),
        'WORLD_SIZE': str(world_size),
        'LOCAL_WORLD_SIZE': str(world_size),
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': str(port),
        # Rank 0 joins the parent's store instead of opening a second one.
        'TORCHELASTIC_USE_AGENT_STORE': 'True',
        'TORCHELASTIC_RESTART_COUNT': '0',
        'DEVICE': 'cpu',
    }
