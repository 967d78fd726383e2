"""How much faster than the originals one iteration of VQGAN is: both updates, Adam.

    python benchmarks/train_step.py --repeats 3

The full-size network with random weights is trained in several ways (see
train_step_ways.py), each in a process of its own, so that each has its own peak of
memory. They take turns, iteration by iteration, and the fastest iteration of each
counts; on the CPU time is processor time, which waiting for a core leaves out.
"""

import argparse
import contextlib
import dataclasses
import json
import logging
import multiprocessing
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from train_step_ways import WAYS, Settings, Way, check_taming

GIB = 2**30
MIN_RATIO = 1.35  # of taming-like's time to ours with NHWC, for --check
FULL_SIZE = 256  # pixels
# GFLOP an image at full size, reckoned layer by layer beside this program. The least
# that gives the same updates would spare the discriminator its second look at the fake.
RECKONED = {'least': 1338, 'reference': 1782, 'taming-like': 1862, 'taming': 1862}


@dataclass
class Result:
    """What was measured of one way.

    Attributes:
        gflop: Floating-point operations an image, in 10^9.
        passes: Forward passes an image, by part.
        seconds: Each iteration's time.
        wall: The same by the clock.
        peak: Largest memory of the process, or of the GPU, in bytes.
    """

    gflop: float
    passes: dict[str, float]
    seconds: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: int = 0


class Flops(TorchDispatchMode):
    """Adds up the floating-point operations of what runs inside it.

    torch's own FlopCounterMode follows modules too, which autograd.grad forbids.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            count = flop_registry[func._overloadpacket]
            self.total += count(*args, **kwargs, out_val=output)
        return output


def first_step(way: Way, batch: int) -> Result:
    """Run one iteration, and count what it computes."""
    images: Counter[str] = Counter()
    hooks = []
    for name, part in way.parts.items():

        def count(_: Any, args: Any, __: Any, name: str = name) -> None:
            images[name] += len(args[0])

        hooks.append(part.register_forward_hook(count))
    with Flops() as flops:
        way.step()
    for hook in hooks:
        hook.remove()
    passes = {name: images[name] / batch for name in way.parts}
    return Result(flops.total / batch / 1e9, passes)


def timed_step(way: Way, device: str) -> tuple[float, float]:
    """Run one iteration; return its time, and that by the clock."""
    wall, processor = time.perf_counter(), time.process_time()
    way.step()
    if device == 'cuda':
        torch.cuda.synchronize()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return (wall if device == 'cuda' else processor), wall


def peak_memory(device: str) -> int:
    """Return the largest memory so far, in bytes."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def work(connection: Connection, name: str, settings: Settings) -> None:
    """Be the process of one way: an iteration for each message, until it is None."""
    torch.set_num_threads(settings.threads)
    logging.getLogger('vq').setLevel(logging.ERROR)  # the random trunk is meant
    if settings.device == 'cuda':
        torch.set_float32_matmul_precision('high')
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    try:
        torch.manual_seed(0)
        with contextlib.redirect_stdout(sys.stderr):
            way = WAYS[name](settings)
        connection.send(first_step(way, settings.batch))
        while connection.recv():
            connection.send(timed_step(way, settings.device))
        connection.send(peak_memory(settings.device))
    except (EOFError, BrokenPipeError):
        return  # another way has failed
    except Exception:
        connection.send(traceback.format_exc())


class Worker:
    """A way's process, seen from outside."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        arguments = (theirs, name, settings)
        self._process = context.Process(target=work, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, message: bool | None = None) -> Any:
        """Send a message, if there is one, and return the answer.

        Raises:
            SystemExit: The process failed; what it said is the message.
        """
        try:
            if message is not None:
                self._connection.send(message)
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            raise SystemExit(
                f'{self.name}: the process died with code {code}; -9 is often a lack '
                'of memory: try a smaller --batch, --size or --width'
            ) from None
        if isinstance(answer, str):
            raise SystemExit(f'{self.name}: {answer}')
        return answer


def say(text: str) -> None:
    """Write a line of progress."""
    print(text, file=sys.stderr, flush=True)


def measure(
    names: Sequence[str], settings: Settings, repeats: int
) -> dict[str, Result]:
    """Train in all ways, in turns."""
    workers, results = {}, {}
    start = time.perf_counter()
    for name in names:  # one after the other: building and counting is no race
        workers[name] = Worker(name, settings)
        results[name] = workers[name].ask()
        say(f'{name}: first iteration done, {time.perf_counter() - start:.0f} s')
    start = time.perf_counter()
    for turn in range(repeats):
        for done, (name, worker) in enumerate(workers.items(), turn * len(names) + 1):
            seconds, wall = worker.ask(True)
            results[name].seconds.append(seconds)
            results[name].wall.append(wall)
            left = (time.perf_counter() - start) * (repeats * len(names) / done - 1)
            say(f'{turn + 1}/{repeats} {name}: {seconds:.2f} s; {left:.0f} s left')
    for name, worker in workers.items():
        results[name].peak = worker.ask(False)
    return results


def ratio(result: Result, ours: Result) -> float:
    """Return how many times as long an iteration takes.

    The fastest ones are compared: what else the machine does only ever adds time.
    """
    return min(result.seconds) / min(ours.seconds)


def table(results: Mapping[str, Result], settings: Settings) -> str:
    """Return the results as text."""
    ours = results['ours']
    full = settings.size == FULL_SIZE and settings.width is None
    lines = [
        'way          images/s  ratio  GFLOP/image  reckoned  encoder  decoder  trunk'
        '  discriminator  peak GiB'
    ]
    for name, result in results.items():
        speed = settings.batch / min(result.seconds)
        reckoned = str(RECKONED.get(name, '')) if full else ''
        counts = [f'{result.passes[part]:g}' for part in result.passes]
        lines.append(
            f'{name:11}  {speed:8.3f}  {ratio(result, ours):5.2f}  {result.gflop:11.1f}'
            f'  {reckoned:>8}  {counts[0]:>7}  {counts[1]:>7}  {counts[2]:>5}'
            f'  {counts[3]:>13}  {result.peak / GIB:8.2f}'
        )
    if full:
        lines.append(f'least        reckoned, GFLOP/image: {RECKONED["least"]}')
    return '\n'.join(lines)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--batch', type=int, default=1, help='images (default %(default)s)')
    add('--size', type=int, default=FULL_SIZE, help='pixels (default %(default)s)')
    add('--width', type=int, help="of the autoencoder (default: the config's, 128)")
    add('--repeats', type=int, default=3, help='turns (default %(default)s)')
    add('--device', choices=['auto', 'cpu', 'cuda'], default='auto')
    add('--threads', type=int, default=1, help='of a process (default %(default)s)')
    add('--taming', type=Path, metavar='FOLDER', help='run taming-transformers too')
    add('--json', type=Path, metavar='FILE', help='write all figures there')
    add('--check', action='store_true', help=f'fail below a ratio of {MIN_RATIO}')
    flags = parser.parse_args(arguments)
    if flags.taming is not None:
        try:
            check_taming(flags.taming)
        except FileNotFoundError as error:
            parser.error(str(error))
    return flags


def main() -> None:
    """Run the command."""
    flags = parse()
    device = flags.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    settings = Settings(
        size=flags.size,
        batch=flags.batch,
        width=flags.width,
        device=device,
        threads=flags.threads,
        taming=flags.taming,
    )
    names = [name for name in WAYS if name != 'taming' or flags.taming is not None]
    results = measure(names, settings, flags.repeats)
    print(table(results, settings))
    if flags.json is not None:
        shared = {k: str(v) for k, v in dataclasses.asdict(settings).items()}
        ways = {
            name: dataclasses.asdict(result)
            | dict(ratio=ratio(result, results['ours']))
            for name, result in results.items()
        }
        flags.json.write_text(json.dumps(dict(settings=shared, ways=ways), indent=2))
    found = ratio(results['taming-like'], results['ours, NHWC'])
    if flags.check and found < MIN_RATIO:
        raise SystemExit(f'taming-like / ours, NHWC is {found:.2f}, below {MIN_RATIO}')


if __name__ == '__main__':
    main()
